"""Organisations found by a name as people type it: quotes, №, ё and typing errors forgiven, the likeliest first."""

from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from common.auth import Principal
from registry import rules
from registry.models import Organisation, OrganisationPeriod
from registry.queries import reach
from registry.queries.moments import Moment

_ALIKE = 0.45
"""pg_trgm's word similarity from which a word counts as one mistyped: two slips in ten letters."""

_SHORTEST_MISTYPED = 4
"""Letters of the shortest word that may have a slip; shorter ones are found as they are."""

_MOST_COMPARED = 3_000
"""Names of which the likeness is reckoned: a microsecond or some for each word of each."""

_FORGIVE = sa.select(sa.func.set_config("pg_trgm.word_similarity_threshold", str(_ALIKE), True))


async def search(
    session: AsyncSession,
    text: str,
    limit: int,
    moment: Moment | None = None,
    principal: Principal | None = None,
    *,
    takes_members: bool = False,
) -> list[sa.Row[Any]]:
    """(organisation_id, name, parent_id, kind, code, status, likeness from 0 to 1), likeliest first.

    Every word must be in the name, a figure whole: «школа 12» never finds № 2. With a moment, by the names of that
    day. Without a principal nothing is cut to a reach; `takes_members` leaves the active ones that take members.
    """
    words = rules.search_words(text)
    if not words:
        return []
    state: Any = Organisation if moment is None else OrganisationPeriod
    # By its id, so that one table's indexes find by name and by code: a condition over two tables reads all names.
    coded: Any = aliased(Organisation)
    of_the_code = sa.select(coded.organisation_id).where(coded.code == text)
    name, by_code = col(state.search_name), col(state.organisation_id) == of_the_code.scalar_subquery()
    scope = partial(_within, state=state, moment=moment, principal=principal, takes_members=takes_members)
    # Nothing is likelier than every word as it was typed: where there are enough of these, no likeness is reckoned.
    whole = scope(sa.literal(1.0)).where(sa.or_(sa.and_(*(name.like(f"% {word} %") for word in words)), by_code))
    order = (by_code.desc(), sa.func.length(name), col(Organisation.organisation_id))
    found = list((await session.execute(whole.order_by(*order).limit(limit))).all())
    if len(found) >= limit:
        return found
    await session.execute(_FORGIVE)
    likeness = _likeness(words, name)
    candidates = (
        scope(likeness)
        .add_columns(name.label("found_by"), by_code.label("by_code"))
        .where(sa.or_(sa.and_(*(_found(word, name) for word in words)), by_code))
        # Of a word that is nearly in every name: some of those, not seconds for the best of them.
        .limit(_MOST_COMPARED)
        .subquery()
    )
    # Of names that are as like, the shortest says least that was not asked for.
    likeliest = sa.select(candidates).order_by(
        *(candidates.c.by_code.desc(), candidates.c.likeness.desc()),
        *(sa.func.length(candidates.c.found_by), candidates.c.organisation_id),
    )
    return list((await session.execute(likeliest.limit(limit))).all())


def _within(
    likeness: sa.ColumnElement[float],
    *,
    state: Any,
    moment: Moment | None,
    principal: Principal | None,
    takes_members: bool,
) -> sa.Select[*tuple[Any, ...]]:
    statement = sa.select(
        col(Organisation.organisation_id),
        col(state.name),
        col(state.parent_id),
        col(Organisation.kind),
        col(Organisation.code),
        col(state.status),
        sa.cast(likeness, sa.Float).label("likeness"),
    )
    if moment is not None:
        statement = statement.join(
            OrganisationPeriod, col(OrganisationPeriod.organisation_id) == col(Organisation.organisation_id)
        ).where(moment.holds(OrganisationPeriod))
    if principal is not None:
        statement = statement.where(reach.organisations(principal, Organisation.organisation_id))
    if takes_members:
        statement = statement.where(col(state.status) == "active", col(Organisation.kind).in_(rules.MEMBER_KINDS))
    return statement


def _found(word: str, name: Any) -> sa.ColumnElement[bool]:
    if word.isdigit():
        return name.like(f"% {word} %")  # type: ignore[no-any-return]
    part: sa.ColumnElement[bool] = name.like(f"%{word}%")
    if len(word) < _SHORTEST_MISTYPED:
        return part
    return sa.or_(part, sa.literal(word, sa.Text).op("<%")(name))


def _likeness(words: list[str], name: Any) -> sa.ColumnElement[float]:
    """The mean over the words: 1 for a word that is there as typed, else how much of it is."""
    each = [sa.case((name.like(f"% {word} %"), 1.0), else_=sa.func.word_similarity(word, name)) for word in words]
    return sa.cast(sum(each[1:], each[0]) / len(words), sa.Float)
