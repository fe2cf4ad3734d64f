"""Every place of the registry's database where something of a person may stand, and how it is emptied there.

A new table with free text about a person, or with copies of personal data, needs a line here; a test puts a person
everywhere and looks through every column of every table after the erasure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from registry.acts import Kept, Removal
from registry.keys import ErasureKey


@dataclass(frozen=True)
class Place:
    """`sql` has the parameters :members, :persons, :applications (arrays of ids)."""

    name: str
    what: str
    sql: str


PLACES: tuple[Place, ...] = (
    Place(
        "membership",
        "пояснения к окончанию членства",
        "update membership set end_note = null where member_id = any(:members) and end_note is not null",
    ),
    Place(
        "transfer",
        "пояснения к переводам",
        "update transfer set reason = null where member_id = any(:members) and reason is not null",
    ),
    Place(
        "application",
        "код отслеживания, протокол и причина решения, связь с лицом",
        "update application set person_id = null, protocol_number = null, decline_reason = null,"
        " follow_hash = sha256(uuid_send(gen_random_uuid()))"
        " where application_id = any(:applications)",
    ),
    Place(
        "follow_code",
        "дополнительные коды отслеживания",
        "delete from follow_code where application_id = any(:applications)",
    ),
    Place(
        "member_decision",
        "протоколы и пояснения к решениям о члене Профсоюза",
        "update member_decision set reason = null, protocol_number = null where member_id = any(:members)",
    ),
    Place(
        "office_term",
        "протоколы выборов и пояснения к окончанию полномочий",
        "update office_term set ended_because = null, protocol_number = '—' where member_id = any(:members)",
    ),
    Place(
        "consent",
        "действие согласий",
        "update consent set withdrawn_at = now() where member_id = any(:members) and withdrawn_at is null",
    ),
    Place(
        "approval",
        "пояснения к запросам о записях лица",
        "update approval set reason = '—', refusal = null where exists"
        " (select from jsonb_each_text(arguments) as a where a.value = any(cast(:members as text[])))",
    ),
    Place(
        "member_merge",
        "пояснения в сохранённых состояниях объединённых записей",
        "update member_merge set before = jsonb_set(before, '{stays}', (select coalesce(jsonb_agg(s || "
        "cast('{\"end_note\": null}' as jsonb)), '[]') from jsonb_array_elements(before->'stays') as s)),"
        " undo_until = now()"
        " where survivor_member_id = any(:members) or absorbed_member_id = any(:members)",
    ),
    Place(
        "duplicate",
        "пары возможных двойников",
        "delete from duplicate where person_id = any(:persons) or other_person_id = any(:persons)",
    ),
    Place(
        "person",
        "имена и контакты, предложенные с телефонов сотрудников",
        "delete from person where person_id in (select o.person_id from sync_operation o where"
        " o.member_id = any(:members) or o.application_id = any(:applications) or o.person_id in"
        " (select proposed.person_id from person proposed join person known using (match_key)"
        " where known.person_id = any(:persons)))",
    ),
    Place(
        "sync_operation",
        "пояснения и протоколы в операциях с телефонов сотрудников",
        "update sync_operation set reason = null, detail = null,"
        " arguments = arguments - 'reason' - 'protocol_number'"
        " where member_id = any(:members) or application_id = any(:applications)",
    ),
    Place(
        "import_row",
        "связь со строками загруженных реестров",
        "update import_row set member_id = nullif(member_id, gone.id), of_member_id = nullif(of_member_id, gone.id)"
        " from unnest(cast(:members as uuid[])) as gone(id) where gone.id in (member_id, of_member_id)",
    ),
    Place(
        "idempotency_key",
        "сохранённые ответы на запросы",
        "delete from idempotency_key where exists (select from unnest(cast(:members as text[])"
        " || cast(:applications as text[])) as id where position(convert_to(id, 'utf8') in body) > 0)",
    ),
    Place(
        "job_file",
        "файлы завершённых заданий (загруженные реестры и ответы на них)",
        "delete from job_file using job where job.job_id = job_file.job_id and job.state in ('done', 'failed')",
    ),
)

KEPT: tuple[Kept, ...] = (
    Kept(
        what="member, membership, transfer, consent, application",
        why="номера записей, даты, организация, категория, пол и год рождения без лица: итоги прошлых лет",
    ),
    Kept(
        what="access_log",
        why="кто, когда и какие номера записей читал: доказывает законность обработки; имени нет, срок ограничен",
    ),
    Kept(what="event_history", why="события без персональных данных: номера, даты, категории"),
    Kept(what="erasure", why="номера записей и ключевой хеш: чтобы повторить уничтожение после восстановления"),
)

_LOG = sa.text(
    "select access_id, subject, purpose, reader_member_id = any(:members) as own from access_log"
    " where whose && cast(:ids as uuid[]) and (purpose is not null or reader_member_id = any(:members))"
).bindparams(sa.bindparam("members", type_=sa.ARRAY(sa.Uuid)), sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)))
_BLANK = sa.text("update access_log set purpose = null, subject = :subject where access_id = :access_id")
_RUNNING = sa.text(
    "select count(*) from job_file join job using (job_id) where job.state in ('queued', 'running')"
)


async def empty_places(
    session: AsyncSession,
    members: Sequence[UUID],
    persons: Sequence[UUID],
    applications: Sequence[UUID],
    key: ErasureKey,
) -> list[Removal]:
    """Empty them all but `person`, which goes last. Files of jobs under way are told of: they are purged in days."""
    removals = []
    for place in PLACES:
        statement = sa.text(place.sql)
        given = {"members": list(members), "persons": list(persons), "applications": list(applications)}
        known = {name: value for name, value in given.items() if f":{name}" in place.sql}
        texts = {name for name in known if f"cast(:{name} as text[])" in place.sql}
        for name in known:
            statement = statement.bindparams(
                sa.bindparam(name, type_=sa.ARRAY(sa.Text if name in texts else sa.Uuid))
            )
        values = {name: [str(v) for v in value] if name in texts else value for name, value in known.items()}
        result = await session.execute(statement, values)
        removals.append(Removal(place=place.name, what=place.what, rows=result.rowcount))  # type: ignore[attr-defined]
    removals.append(await _blank_log(session, members, [*members, *applications], key))
    waiting = await session.scalar(_RUNNING)
    if waiting:
        removals.append(
            Removal(
                place="job_file", what=f"файлы незавершённых заданий остаются до их окончания: {waiting}", rows=0
            )
        )
    return removals


async def _blank_log(
    session: AsyncSession, members: Sequence[UUID], ids: Sequence[UUID], key: ErasureKey
) -> Removal:
    """The log stays, by law and for the person's sake; what it says in words, and the person's own login, go."""
    await session.execute(sa.text("set local registry.task = 'erasure'"))
    rows = (await session.execute(_LOG, {"members": list(members), "ids": list(ids)})).all()
    for row in rows:
        subject = key.pseudonym(row.subject) if row.own else row.subject
        await session.execute(_BLANK, {"subject": subject, "access_id": row.access_id})
    await session.execute(sa.text("set local registry.task = ''"))
    return Removal(place="access_log", what="цели обращений словами, логин самого лица", rows=len(rows))
