"""Who in the base may be a given person: the service that entry, application, import and the late search ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from registry.matching import Identity, Judgement, judge, keys
from registry.models import Person

_MOST_COMPARED = 300
"""People behind one key; a real base has a dozen. A register with one birth date for all must not stop the search."""

_CANDIDATES = sa.text(
    """
    select asked.n, p.person_id, p.last_name, p.first_name, p.patronymic, p.birth_date, p.sex, p.phone, p.email,
           p.old_card_number, m.member_id, m.organisation_id, coalesce(m.status = 'member', false) as is_member,
           a.application_id
    from (select distinct behind.n, found.person_id
          from unnest(:ns, :keys) as behind(n, key)
          cross join lateral (
              select person_id from person where match_keys @> array[behind.key] and not kept_for_undo limit :most
          ) as found) as asked
    join person p using (person_id)
    left join lateral (
        select member_id, organisation_id, status from member
        where member.person_id = p.person_id and status in ('member', 'left', 'expelled')
        order by status = 'member' desc, member_id desc limit 1
    ) as m on true
    left join application a on a.person_id = p.person_id and a.status = 'submitted'
    where m.member_id is not null or a.application_id is not null
    """
).bindparams(
    sa.bindparam("ns", type_=sa.ARRAY(sa.Integer)),
    sa.bindparam("keys", type_=sa.ARRAY(sa.BigInteger)),
)


@dataclass(frozen=True, slots=True)
class Alike:
    """A person who may be the one asked about, with the newest record: a membership or a waiting application."""

    person_id: UUID
    judgement: Judgement
    member_id: UUID | None
    organisation_id: UUID | None
    is_member: bool
    """Of a membership in force."""
    application_id: UUID | None

    @property
    def active(self) -> bool:
        return self.is_member or self.application_id is not None


def identity_of(person: Person | sa.Row[tuple[object, ...]]) -> Identity:
    return Identity(
        person.last_name,
        person.first_name,
        person.patronymic,
        person.birth_date,
        sex=person.sex,
        phone=person.phone,
        email=person.email,
        card_number=person.old_card_number,
    )


async def alike(session: AsyncSession, asked: Sequence[Identity]) -> list[dict[UUID, Alike]]:
    """For each of `asked`, by person: all examined people who are proposed by matching.judge.

    In sets: two index look-ups a key, no scan. Whoever is in the base finds themself as well.
    """
    numbered = [(n, key) for n, identity in enumerate(asked) for key in keys(identity)]
    rows = await session.execute(
        _CANDIDATES,
        {"ns": [n for n, _ in numbered], "keys": [key for _, key in numbered], "most": _MOST_COMPARED},
    )
    found: list[dict[UUID, Alike]] = [{} for _ in asked]
    for row in rows:
        judgement = judge(asked[row.n], identity_of(row))
        if judgement.proposed:
            found[row.n][row.person_id] = Alike(
                person_id=row.person_id,
                judgement=judgement,
                member_id=row.member_id,
                organisation_id=row.organisation_id,
                is_member=row.is_member,
                application_id=row.application_id,
            )
    return found
