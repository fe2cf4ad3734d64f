"""Which staged rows repeat a member or each other: found in sets by keys, decided by PeopleIndex."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from registry.importing.names import PersonName
from registry.importing.people import Entry, PeopleIndex

# Pairs of one birth date with two equal parts of the name (surname and given name also changed over), with all parts
# equal in any order, or with one card and one name: what PeopleIndex would compare, found by indexes.
_LIKE = """
select s.seq, p.person_id from import_staged s join {people} p on p.birth_date = s.birth_date
  and name_key(p.last_name) = s.last_key
  and (name_key(p.first_name) = s.first_key or name_key(coalesce(p.patronymic, '')) = s.patronymic_key)
  where s.outcome = 'accepted'
union
select s.seq, p.person_id from import_staged s join {people} p on p.birth_date = s.birth_date
  and name_key(p.first_name) = s.first_key and name_key(coalesce(p.patronymic, '')) = s.patronymic_key
  where s.outcome = 'accepted'
union
select s.seq, p.person_id from import_staged s join {people} p on p.birth_date = s.birth_date
  and name_key(p.last_name) = s.first_key
  and (name_key(p.first_name) = s.last_key or name_key(coalesce(p.patronymic, '')) = s.patronymic_key)
  where s.outcome = 'accepted'
union
select s.seq, p.person_id from import_staged s join {people} p on p.birth_date = s.birth_date
  and name_key(p.first_name) = s.last_key and name_key(coalesce(p.patronymic, '')) = s.patronymic_key
  where s.outcome = 'accepted'
union
select s.seq, p.person_id from import_staged s join {people} p on p.match_key = s.match_key
  where s.outcome = 'accepted'
union
select s.seq, p.person_id from import_staged s join {people} p on p.old_card_number is not null
  and card_key(p.old_card_number) = s.card_key and name_key(p.first_name) = s.first_key
  where s.outcome = 'accepted' and length(s.card_key) >= 4
"""
_KNOWN = """
with alike as materialized ({like})
select alike.seq, m.member_id, m.organisation_id, p.last_name, p.first_name, p.patronymic, p.birth_date, p.phone,
  p.email, p.old_card_number, t.written, f.name as file_name, r.sheet, r."row"
from alike join person p using (person_id) join member m on m.person_id = p.person_id and m.status = 'member'
left join import_taken t on t.member_id = m.member_id
left join import_row r on r.member_id = m.member_id
left join import_batch_file f on f.batch_id = r.batch_id and f.number = r.file_number
order by m.member_id
"""
_TAKEN = """
with alike as materialized ({like})
select alike.seq, t.member_id, t.organisation_id, t.last_name, t.first_name, t.patronymic, t.birth_date, t.phone,
  t.email, t.old_card_number, t.written, t.file_name, t.sheet, t."row"
from alike join import_taken t using (person_id) order by t.member_id
"""
# Rows of this set that may be one person with another row of it; the keys only find, PeopleIndex decides.
_AMONG = sa.text(
    """
    with keys as (
        select seq, unnest(array[
            (last_key # (patronymic_key << 1)) # day, (first_key # (patronymic_key << 2)) # day,
            ((last_key # first_key) << 3) # day, (last_key # first_key # patronymic_key) # day,
            case when length(card_key) >= 4 then hashtextextended(card_key, 7) # (first_key << 4) end
        ]) as key
        from import_staged cross join lateral (select (birth_date - date '1800-01-01')::bigint * 2654435761) d(day)
        where outcome = 'accepted'
    )
    select distinct unnest(seqs) as seq from (
        select array_agg(seq) as seqs from keys where key is not null group by key having count(*) > 1
    ) as several
    """
)
_ROWS = sa.text(
    """
    select seq, file_number, sheet, "row", written, last_name, first_name, patronymic, birth_date, phone, email, card,
        organisation_id, member_id
    from import_staged where seq = any(:seqs) order by seq
    """
).bindparams(sa.bindparam("seqs", type_=sa.ARRAY(sa.Integer)))
_MARK = sa.text(
    """
    update import_staged s set outcome = 'duplicate', reason = d.reason, of_file = d.of_file, of_sheet = d.of_sheet,
        of_row = d.of_row, of_member_id = d.of_member_id
    from unnest(:seqs, :reasons, :files, :sheets, :rows, :members)
        as d(seq, reason, of_file, of_sheet, of_row, of_member_id)
    where s.seq = d.seq
    """
).bindparams(
    sa.bindparam("seqs", type_=sa.ARRAY(sa.Integer)),
    sa.bindparam("reasons", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("files", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("sheets", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("rows", type_=sa.ARRAY(sa.Integer)),
    sa.bindparam("members", type_=sa.ARRAY(sa.Uuid)),
)
# Statistics of tables that this very import fills are never fresh. One look-up by index a row is right for every size
# of the base; a hash of it, which the planner likes for a group of thousands, would read all people for each group.
_BY_INDEX = sa.text(
    "select set_config(name, :value, true) from unnest(array['enable_seqscan', 'enable_hashjoin',"
    " 'enable_mergejoin']) as name"
)
_COMPARED_AT_ONCE = 20_000


@dataclass(frozen=True)
class Standing:
    """Where a person of the index stands: in a register of this run, and as which member."""

    member_id: UUID | None
    """None for a row of a dry run: nobody is admitted by it."""
    file: str | None
    sheet: str | None
    row: int | None


async def find_duplicates(session: AsyncSession, names: dict[int, str], *, dry_run: bool) -> None:
    """Mark every staged row that repeats a member, or an accepted row before it; `names` are the files' by number."""
    people: PeopleIndex[Standing] = PeopleIndex()
    await session.execute(_BY_INDEX, {"value": "off"})
    asked: set[int] = set()
    seen: set[UUID] = set()
    queries = [(True, _KNOWN.format(like=_LIKE.format(people="person")))]
    if dry_run:
        queries.append((False, _TAKEN.format(like=_LIKE.format(people="import_taken"))))
    for is_member, query in queries:
        for row in (await session.execute(sa.text(query))).all():
            asked.add(row.seq)
            if row.member_id not in seen:
                seen.add(row.member_id)
                people.add(_known(row, is_member=is_member))
    await session.execute(_BY_INDEX, {"value": "on"})
    asked.update(await session.scalars(_AMONG))
    ordered = sorted(asked)
    for at in range(0, len(ordered), _COMPARED_AT_ONCE):
        await _compare(session, ordered[at : at + _COMPARED_AT_ONCE], people, names, dry_run=dry_run)


def _known(row: Any, *, is_member: bool) -> Entry[Standing]:
    written = row.written or " ".join(part for part in (row.last_name, row.first_name, row.patronymic) if part)
    return Entry(
        Standing(row.member_id if is_member else None, row.file_name, row.sheet, row.row),
        PersonName(written, row.last_name, row.first_name, row.patronymic or ""),
        row.birth_date,
        str(row.organisation_id),
        row.old_card_number,
        (row.phone, row.email),
    )


async def _compare(
    session: AsyncSession,
    seqs: Sequence[int],
    people: PeopleIndex[Standing],
    names: dict[int, str],
    *,
    dry_run: bool,
) -> None:
    marks: list[tuple[Any, ...]] = []
    for row in (await session.execute(_ROWS, {"seqs": list(seqs)})).all():
        entry = Entry(
            Standing(None if dry_run else row.member_id, names[row.file_number], row.sheet, row.row),
            PersonName(row.written, row.last_name, row.first_name, row.patronymic or ""),
            row.birth_date,
            str(row.organisation_id),
            row.card,
            (row.phone, row.email),
        )
        match = people.find(entry)
        if match is None:
            people.add(entry)
        else:
            of = match.entry.source
            marks.append((row.seq, match.reason, of.file, of.sheet, of.row, of.member_id))
    if marks:
        columns = zip(*marks, strict=True)
        names_of = ("seqs", "reasons", "files", "sheets", "rows", "members")
        await session.execute(_MARK, {n: list(c) for n, c in zip(names_of, columns, strict=True)})
