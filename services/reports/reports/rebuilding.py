"""What `union rebuild reports` makes anew beside the tables that events fill: the intervals of facts, the counters.

Triggers keep both while events come; neither follows when a row is corrected or removed. The intervals are made by the
rule of states as it is written in `states.py`, with all that is known: the words that answer for an earlier knowledge.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from common.rebuild import Derived, Difference
from reports import states, tallies

_EVERYTHING_KNOWN = datetime(9999, 12, 31, tzinfo=UTC)

_KEPT = sa.text("create temp table tally_before on commit drop as select * from tally where value <> 0")
_COUNTERS = sa.text(
    """
    select count(b.cell) as live, count(t.cell) as rebuilt, count(*) filter (where b.cell is null) as missing,
        count(*) filter (where t.cell is null) as extra, count(*) filter (where b.value <> t.value) as differing
    from tally_before b full join (select * from tally where value <> 0) t using (organisation_id, cell)
    """
)


def _spans() -> list[tuple[sa.Table, str, Any, tuple[str, ...]]]:
    """Of each table of facts: its key, the versions with the intervals that they should have, the columns of these."""
    known = _EVERYTHING_KNOWN
    return [
        (states.ORGANISATIONS, "organisation_id", states.organisation_spans(known), ("holds_until",)),
        (states.MEMBERS, "member_id", states.members(known, None), ("holds_until",)),
        (states.OFFICES, "term_id", states.offices(known), ("holds_from", "holds_until")),
    ]


def _matched(facts: sa.Table, key: str, spans: Any, columns: tuple[str, ...]) -> tuple[Any, Any]:
    same = sa.and_(facts.c[key] == spans.c[key], facts.c.version == spans.c.version)
    differs = sa.or_(*(facts.c[name].is_distinct_from(spans.c[name]) for name in columns))
    return same, differs


async def compare(session: AsyncSession) -> list[Difference]:
    """The intervals. The counters are not compared: that would hold up everybody as long as making them anew does."""
    found = []
    for facts, key, spans, columns in _spans():
        same, differs = _matched(facts, key, spans, columns)
        row = (
            await session.execute(
                sa.select(sa.func.count().label("rows"), sa.func.count().filter(differs).label("differing"))
                .select_from(facts)
                .join(spans, same)
            )
        ).one()
        found.append(Difference(f"{facts.name}: intervals", row.rows, row.rows, 0, row.differing, 0))
    return found


async def remake(session: AsyncSession) -> list[Difference]:
    """The intervals and the counters."""
    found = await compare(session)
    for (facts, key, spans, columns), difference in zip(_spans(), found, strict=True):
        if difference.differing:
            same, differs = _matched(facts, key, spans, columns)
            values = {name: spans.c[name] for name in columns}
            await session.execute(sa.update(facts).values(values).where(same, differs))
    await session.execute(_KEPT)
    await tallies.rebuild(session, datetime.now(UTC), None)
    row = (await session.execute(_COUNTERS)).one()
    return [*found, Difference("tally", row.live, row.rebuilt, row.missing, row.differing, row.extra)]


DERIVED = Derived(hold=tallies.hold, compare=compare, remake=remake)
