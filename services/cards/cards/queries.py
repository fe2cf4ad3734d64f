"""Queries: visible SQL, cut to the caller's scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cards import rules
from cards.models import LIVE, Card, CardStep, Member, Organisation, PlasticBatch, PlasticCard
from common.auth import STAFF, Principal, Role, in_scope, subtree
from common.errors import NotFound
from common.http import PageParams, paginate


@dataclass(frozen=True)
class SeenCard:
    """A card within the caller's reach, with the organisation that its holder belongs to now."""

    card: Card
    organisation_id: UUID

    @property
    def card_id(self) -> UUID:
        return self.card.card_id


def _own(principal: Principal) -> sa.ColumnElement[bool]:
    if Role.MEMBER not in principal.roles or principal.member_id is None:
        return sa.false()
    return col(Member.member_id) == principal.member_id


def _visible(principal: Principal) -> sa.ColumnElement[bool]:
    """Cards of members in the caller's scope, and the caller's own."""
    return sa.or_(in_scope(principal, col(Member.organisation_id), Organisation), _own(principal))


def _seen_cards(reach: sa.ColumnElement[bool]) -> sa.Select[Card, UUID]:
    return (
        sa.select(Card, col(Member.organisation_id))
        .join(Member, col(Member.member_id) == col(Card.member_id))
        .where(reach)
    )


async def cards(
    session: AsyncSession,
    principal: Principal,
    page: PageParams,
    member_id: UUID | None,
    organisation_id: UUID | None,
    status: str | None,
) -> tuple[list[SeenCard], str | None]:
    """By card id, that is by the time of making. `organisation_id` means its whole subtree."""
    statement = _seen_cards(_visible(principal))
    if member_id is not None:
        statement = statement.where(col(Card.member_id) == member_id)
    if organisation_id is not None:
        statement = statement.where(col(Member.organisation_id).in_(subtree(organisation_id, Organisation)))
    if status is not None:
        statement = statement.where(col(Card.status) == status)
    # The cursor is read from the row under the column's name.
    rows, cursor = await paginate(session, statement.add_columns(col(Card.card_id)), col(Card.card_id), page)
    return [SeenCard(row[0], row[1]) for row in rows], cursor


async def card(session: AsyncSession, principal: Principal, card_id: UUID) -> SeenCard:
    """Raises NotFound for a card that is not there or out of the caller's sight."""
    return await _card(session, _visible(principal), card_id)


async def card_to_act_on(session: AsyncSession, principal: Principal, card_id: UUID) -> SeenCard:
    """The same for who may do more than read: staff over the scope, members over their own cards."""
    reach = _visible(principal) if principal.roles & set(STAFF) else _own(principal)
    return await _card(session, reach, card_id)


async def _card(session: AsyncSession, reach: sa.ColumnElement[bool], card_id: UUID) -> SeenCard:
    row = (await session.execute(_seen_cards(reach).where(col(Card.card_id) == card_id))).one_or_none()
    if row is None:
        raise NotFound("card", card_id)
    return SeenCard(row[0], row[1])


async def card_with_qr(session: AsyncSession, principal: Principal, card_id: UUID) -> SeenCard:
    """A card to act on: who has the code, has the card. Raises CardNotLive for one that has ended."""
    seen = await card_to_act_on(session, principal, card_id)
    rules.check_has_qr(seen.card)
    return seen


async def steps(session: AsyncSession, card_id: UUID) -> Sequence[CardStep]:
    """Oldest first."""
    statement = sa.select(CardStep).where(col(CardStep.card_id) == card_id).order_by(col(CardStep.step_id))
    return (await session.scalars(statement)).all()


async def check_organisation(session: AsyncSession, principal: Principal, organisation_id: UUID) -> None:
    """Raises NotFound for an organisation that is not there or out of the caller's scope."""
    found = await session.scalar(
        sa.select(col(Organisation.organisation_id)).where(
            col(Organisation.organisation_id) == organisation_id,
            in_scope(principal, col(Organisation.organisation_id), Organisation),
        )
    )
    if found is None:
        raise NotFound("organisation", organisation_id)


def _seen_batches(principal: Principal) -> sa.Select[PlasticBatch]:
    return sa.select(PlasticBatch).where(in_scope(principal, col(PlasticBatch.organisation_id), Organisation))


async def batches(
    session: AsyncSession, principal: Principal, page: PageParams
) -> tuple[list[PlasticBatch], str | None]:
    return await paginate(session, _seen_batches(principal), col(PlasticBatch.batch_id), page)


async def batch(session: AsyncSession, principal: Principal, batch_id: UUID) -> PlasticBatch:
    """Raises NotFound for a batch that is not there or out of the caller's scope."""
    found = await session.scalar(_seen_batches(principal).where(col(PlasticBatch.batch_id) == batch_id))
    if found is None:
        raise NotFound("plastic batch", batch_id)
    return found


async def plastic_cards(
    session: AsyncSession, batch_id: UUID, page: PageParams
) -> tuple[list[PlasticCard], str | None]:
    statement = sa.select(PlasticCard).where(col(PlasticCard.batch_id) == batch_id)
    return await paginate(session, statement, col(PlasticCard.card_id), page)


async def member_counts(
    session: AsyncSession, principal: Principal, page: PageParams
) -> tuple[list[Any], str | None]:
    """Active members by organisation, as the events told: what a comparison with the registry needs."""
    statement = (
        sa.select(col(Member.organisation_id), sa.func.count().label("members"))
        .where(col(Member.status) == "member", in_scope(principal, col(Member.organisation_id), Organisation))
        .group_by(col(Member.organisation_id))
    )
    return await paginate(session, statement, col(Member.organisation_id), page)


async def headline(session: AsyncSession, principal: Principal) -> dict[str, int]:
    """Live cards by form, those who hold one, those who may, and the cards that are blocked."""
    live = col(Card.status).in_(LIVE)
    cards = (
        await session.execute(
            sa.select(
                sa.func.count().filter(live, col(Card.form) == "virtual").label("virtual"),
                sa.func.count().filter(live, col(Card.form) == "plastic").label("plastic"),
                sa.func.count(sa.distinct(col(Card.member_id))).filter(live).label("members_with_card"),
                sa.func.count().filter(col(Card.status) == "blocked").label("blocked"),
            )
            .join(Member, col(Member.member_id) == col(Card.member_id))
            .where(in_scope(principal, col(Member.organisation_id), Organisation))
        )
    ).one()
    entitled = await session.scalar(
        sa.select(sa.func.count()).where(
            col(Member.status) == "member",
            col(Member.consents).contains(["cards"]),
            in_scope(principal, col(Member.organisation_id), Organisation),
        )
    )
    return {**cards._asdict(), "members_entitled": entitled or 0}


async def highest_status_index(session: AsyncSession) -> int | None:
    return await session.scalar(sa.select(sa.func.max(col(Card.status_index))))


async def cards_not_active(session: AsyncSession) -> Sequence[Any]:
    """(status_index, status) of every card that is not active: from an index alone."""
    return (
        await session.execute(
            sa.select(col(Card.status_index), col(Card.status)).where(col(Card.status) != "active")
        )
    ).all()
