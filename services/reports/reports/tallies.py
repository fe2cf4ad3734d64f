"""The live counters behind the cockpit: kept by differences, over each organisation's whole subtree.

Triggers note in `tally_delta` what each change of a member, a report or a transfer does to the counters of one
organisation; a round adds that up along the tree, one worker at a time, so no consumer waits for another at the
counters of the root. `tally_node` is the tree by which it adds: an organisation that moves takes its sums with it.

Cells: `members`, `category|…`, `born|sex|year` (`-`: not given; born within five years from then), `pedagogical`,
`cards` (members with an active card), `joined|year`, `left|year`, `expelled|year`, `in|year`, `out|year` (transfers as
they were told), `organisations|kind` (active ones), `employed`, `students`, `all_members` (the newest declared),
`report|form|day|status`, `ontime|form|day`, `late|form|day` (by the first signature),
`day|form|day|signed or accepted|day` (reports that are, by the day on which they came to be).
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

_CARDS = sa.text(
    """
    with noted as (
        delete from tally_card t using member m where m.member_id = t.member_id returning t.member_id
    ), now_so as (
        select m.member_id, exists (
            select from card c where c.member_id = m.member_id and c.status = 'active') as has_card
        from member m where m.member_id in (select member_id from noted) order by m.member_id for no key update of m
    )
    update member m set has_card = n.has_card from now_so n
    where n.member_id = m.member_id and m.has_card <> n.has_card
    """
)

_DIRTY = sa.text(
    "with noted as (delete from tally_dirty returning organisation_id)"
    " select distinct n.organisation_id from noted n join organisation o using (organisation_id)"
)
_IDS = sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid))

_NEW_NODES = sa.text(
    "insert into tally_node (organisation_id) select unnest(:ids) order by 1 on conflict do nothing"
).bindparams(_IDS)

# An organisation that has nothing to take along stands at once where it belongs, from the root downwards: below nothing
# that is not in its own place, so no circle can close.
_ATTACH = sa.text(
    """
    update tally_node n set parent_id = o.parent_id
    from organisation o, tally_node p, organisation above
    where n.organisation_id = any(:ids) and n.parent_id is null
      and o.organisation_id = n.organisation_id and p.organisation_id = o.parent_id
      and above.organisation_id = p.organisation_id and p.parent_id is not distinct from above.parent_id
      and not exists (select from tally t where t.organisation_id = n.organisation_id and t.value <> 0)
    """
).bindparams(_IDS)

# One whose place in the counters is not its place in the register, and whose new place is not below itself.
_MOVABLE = sa.text(
    """
    select n.organisation_id, o.parent_id
    from tally_node n join organisation o using (organisation_id)
    where n.organisation_id = any(:ids) and n.parent_id is distinct from o.parent_id
      and (o.parent_id is null or exists (select from tally_node p where p.organisation_id = o.parent_id))
      and not exists (
        with recursive up as (
            select o.parent_id as organisation_id
            union
            select p.parent_id from tally_node p join up on up.organisation_id = p.organisation_id
            where p.parent_id is not null
        ) select from up where up.organisation_id = n.organisation_id)
    order by n.organisation_id limit 1
    """
).bindparams(_IDS)

_UP = """
    with recursive up as (
        select parent_id as organisation_id from tally_node where organisation_id = :moved and parent_id is not null
        union
        select n.parent_id from tally_node n join up using (organisation_id) where n.parent_id is not null
    )
    insert into tally as t (organisation_id, cell, value)
    select up.organisation_id, taken.cell, :sign * taken.value
    from up cross join (select cell, value from tally where organisation_id = :moved and value <> 0) taken
    order by 1, 2
    on conflict (organisation_id, cell) do update set value = t.value + excluded.value
"""
_TAKE_ALONG = sa.text(_UP).bindparams(sa.bindparam("sign", type_=sa.Integer))
_MOVE = sa.text("update tally_node set parent_id = :parent where organisation_id = :moved").bindparams(
    sa.bindparam("parent", type_=sa.Uuid)
)

# What an organisation itself puts in, beside what it has put in already.
_OWN = sa.text(
    """
    with now_so as (
        select n.organisation_id, n.kind as old_kind, n.employed as old_employed, n.students as old_students,
            n.all_members as old_all,
            case when o.status = 'active' then o.kind end as kind,
            case when counts then coalesce(o.employed, 0) else 0 end as employed,
            case when counts then coalesce(o.students, 0) else 0 end as students,
            case when counts then coalesce((
                select d.figure from declaration d
                where d.organisation_id = o.organisation_id and d.indicator = 'all_members'
                order by d.as_of desc, d.version desc limit 1), 0) else 0 end as all_members
        from tally_node n join organisation o using (organisation_id)
        cross join lateral (select o.status = 'active' and o.kind like 'primary%' as counts) as c
        where n.organisation_id = any(:ids)
    ), put as (
        update tally_node n set kind = s.kind, employed = s.employed, students = s.students, all_members = s.all_members
        from now_so s where s.organisation_id = n.organisation_id
    )
    insert into tally_delta (organisation_id, cell, delta)
    select s.organisation_id, c.cell, c.delta from now_so s cross join lateral (values
        ('organisations|' || s.old_kind, case when s.old_kind is distinct from s.kind then -1 else 0 end),
        ('organisations|' || s.kind, case when s.old_kind is distinct from s.kind then 1 else 0 end),
        ('employed', s.employed - s.old_employed),
        ('students', s.students - s.old_students),
        ('all_members', s.all_members - s.old_all)
    ) as c(cell, delta)
    where c.cell is not null and c.delta <> 0
    """
).bindparams(_IDS)

# What belongs to an organisation that is not told yet waits for it.
_ADD_UP = sa.text(
    """
    with recursive noted as (
        delete from tally_delta d using tally_node n where n.organisation_id = d.organisation_id
        returning d.organisation_id, d.cell, d.delta
    ), own as materialized (
        select organisation_id, cell, sum(delta)::int as delta from noted group by 1, 2 having sum(delta) <> 0
    ), up as (
        select distinct organisation_id as node_id, organisation_id from own
        union
        select up.node_id, n.parent_id from up join tally_node n using (organisation_id) where n.parent_id is not null
    )
    insert into tally as t (organisation_id, cell, value)
    select up.organisation_id, own.cell, sum(own.delta) from own join up on up.node_id = own.organisation_id
    group by 1, 2 having sum(own.delta) <> 0 order by 1, 2
    on conflict (organisation_id, cell) do update set value = t.value + excluded.value
    """
)

_MANY = 5_000
_HOW_MANY = sa.text(f"select count(*) from (select from tally_delta limit {_MANY}) as noted")  # noqa: S608 (a number)
_FOR_MANY = sa.text("select set_config('enable_nestloop', 'off', true), set_config('work_mem', '128MB', true)")
_HOLD_OFF = sa.text("lock table declaration, member, card, report, member_fact, organisation in exclusive mode")
_ONE_AT_A_TIME = sa.text("select pg_advisory_xact_lock(0x74616c79)")


async def add_up(session: AsyncSession, _now: datetime, _settings: Any) -> None:
    """Bring the counters to what is noted by now: the round `tallies`."""
    await hold(session)
    await session.execute(_CARDS)
    dirty = [row[0] for row in await session.execute(_DIRTY)]
    if dirty:
        await _place(session, dirty)
    noted = (await session.execute(_HOW_MANY)).scalar_one()
    if noted >= _MANY:
        # The planner takes what a statement deletes for little, and would loop over millions.
        await session.execute(sa.text("analyze tally_delta"))
        await session.execute(_FOR_MANY)
    if noted:
        await session.execute(_ADD_UP)


async def _place(session: AsyncSession, dirty: list[Any]) -> None:
    await session.execute(_NEW_NODES, {"ids": dirty})
    while (await session.execute(_ATTACH, {"ids": dirty})).rowcount:  # type: ignore[attr-defined]
        pass
    while move := (await session.execute(_MOVABLE, {"ids": dirty})).one_or_none():
        moved, parent = move
        await session.execute(_TAKE_ALONG, {"moved": moved, "sign": -1})
        await session.execute(_MOVE, {"moved": moved, "parent": parent})
        await session.execute(_TAKE_ALONG, {"moved": moved, "sign": 1})
    await session.execute(_OWN, {"ids": dirty})
    # Those whose parent is not told yet, or stands below them until its own move is told, are looked at again.
    await session.execute(
        sa.text(
            "insert into tally_dirty select n.organisation_id from tally_node n join organisation o"
            " using (organisation_id) where n.organisation_id = any(:ids) and n.parent_id is distinct from o.parent_id"
        ).bindparams(_IDS),
        {"ids": dirty},
    )


_REBUILD = (
    "truncate tally, tally_node, tally_delta, tally_dirty, tally_card",
    "update member m set void = e.void from (select e.member_id, coalesce((select p.status in ('merged', 'retracted')"
    " from member_fact p where p.member_id = e.member_id and p.version < e.version and p.status <> 'erased'"
    " order by p.version desc limit 1), false) as void from member e where e.status = 'erased' or e.void) e"
    " where e.member_id = m.member_id and m.void <> e.void",
    "update member m set has_card = c.has_card from (select m.member_id, exists (select from card c"
    " where c.member_id = m.member_id and c.status = 'active') as has_card from member m) c"
    " where c.member_id = m.member_id and m.has_card <> c.has_card",
    "truncate tally_delta",
    "with recursive placed as (select organisation_id, parent_id from organisation where parent_id is null"
    " union all select o.organisation_id, o.parent_id from organisation o"
    " join placed p on o.parent_id = p.organisation_id)"
    " insert into tally_node (organisation_id, parent_id) select organisation_id, parent_id from placed",
    "insert into tally_dirty select organisation_id from organisation",
    "insert into tally_delta select m.organisation_id, c.cell, count(*) from member m"
    " cross join lateral member_cells(case when m.void then 'merged' else m.status end,"
    " m.category, m.sex, m.birth_year, m.pedagogical, m.joined_on, m.left_on, m.has_card) as c(cell)"
    " where c.cell is not null group by 1, 2",
    "insert into tally_delta select r.organisation_id, c.cell, count(*) from report r"
    " cross join lateral report_cells(r.form, r.as_of, r.status, r.due_on, r.first_signed_on, r.signed_at,"
    " r.accepted_at) as c(cell) where c.cell is not null group by 1, 2",
    "insert into tally_delta select c.organisation_id, c.cell, count(*) from member_fact f"
    " cross join lateral transfer_cells(f.organisation_id, f.from_organisation_id, f.effective_on)"
    " as c(organisation_id, cell) where f.event_type = 'registry.member_transferred.v1'"
    " and c.organisation_id is not null group by 1, 2",
    "insert into tally_card select distinct c.member_id from card c"
    " where not exists (select from member m where m.member_id = c.member_id)",
)


async def hold(session: AsyncSession) -> None:
    """Keep the round away until the transaction ends: before any lock on the tables that the round changes."""
    await session.execute(_ONE_AT_A_TIME)


async def rebuild(session: AsyncSession, now: datetime, settings: Any) -> None:
    """Make all counters anew from the tables; the same to the digit. Holds off consumers until it commits."""
    await hold(session)
    # A declaration is written before the report that follows from it: in that order nobody waits crosswise.
    await session.execute(_HOLD_OFF)
    await session.execute(_FOR_MANY)
    for statement in _REBUILD:
        await session.execute(sa.text(statement))
    await add_up(session, now, settings)
