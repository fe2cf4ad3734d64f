"""What is read, cut to the caller's scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback import rules
from cashback.ledger import RUB, Kind, Ref
from cashback.models import (
    Account,
    Campaign,
    CampaignTerms,
    Member,
    Organisation,
    Participant,
    Partner,
    Payout,
    Purchase,
    RefusedReport,
)
from common.auth import Principal, Role, in_scope
from common.errors import Forbidden
from common.http import PageParams, paginate


@dataclass(frozen=True)
class Offer:
    """A campaign with its present terms; the budget that is left, for those who may know it."""

    campaign: Campaign
    terms: CampaignTerms
    budget_left: int | None


def own_or_in_scope(principal: Principal, member_id: Any) -> sa.ColumnElement[bool]:
    """SQL that cuts rows of members to the caller: a member's own, or those of the scope's organisations.

    A partner's token never widens a cut, whatever other roles it carries.
    """
    if Role.PARTNER in principal.roles:
        return sa.false()
    if principal.sees_everything:
        return sa.true()
    members = sa.select(col(Member.member_id)).where(
        in_scope(principal, col(Member.organisation_id), Organisation)
    )
    return sa.or_(member_id == principal.member_id, member_id.in_(members))


def of_caller(principal: Principal) -> sa.ColumnElement[bool]:
    """Purchases: a partner's own, else `own_or_in_scope`."""
    if Role.PARTNER in principal.roles:
        return col(Purchase.partner) == principal.partner
    return sa.and_(own_or_in_scope(principal, col(Purchase.member_id)), live())


def live() -> sa.ColumnElement[bool]:
    """Purchases of money: those in the sandbox are their partner's own affair."""
    sandbox = sa.select(col(Partner.partner)).where(col(Partner.mode) == "sandbox")
    return col(Purchase.partner).not_in(sandbox)


async def purchases(
    session: AsyncSession, principal: Principal, status: str | None, page: PageParams
) -> tuple[list[Purchase], str | None]:
    statement = sa.select(Purchase).where(of_caller(principal))
    if status is not None:
        statement = statement.where(col(Purchase.status) == status)
    return await paginate(session, statement, col(Purchase.purchase_id), page)


async def refused_reports(
    session: AsyncSession, principal: Principal, page: PageParams
) -> tuple[list[RefusedReport], str | None]:
    """A partner's own; all of them to the union's federal staff."""
    statement = sa.select(RefusedReport)
    if Role.PARTNER in principal.roles:
        statement = statement.where(col(RefusedReport.partner) == principal.partner)
    elif not principal.sees_everything:
        statement = statement.where(sa.false())
    return await paginate(session, statement, col(RefusedReport.refused_id), page)


async def participants(
    session: AsyncSession, principal: Principal, page: PageParams
) -> tuple[list[Participant], str | None]:
    statement = sa.select(Participant).where(own_or_in_scope(principal, col(Participant.member_id)))
    return await paginate(session, statement, col(Participant.member_id), page)


async def payouts(
    session: AsyncSession, principal: Principal, status: str | None, page: PageParams
) -> tuple[list[Payout], str | None]:
    statement = sa.select(Payout).where(own_or_in_scope(principal, col(Payout.member_id)))
    if status is not None:
        statement = statement.where(col(Payout.status) == status)
    return await paginate(session, statement, col(Payout.payout_id), page)


async def partners(session: AsyncSession) -> Sequence[Partner]:
    return (await session.scalars(sa.select(Partner).order_by(col(Partner.partner)))).all()


async def partner_codes(session: AsyncSession) -> list[str]:
    return list((await session.scalars(sa.select(col(Partner.partner)).order_by(col(Partner.partner)))).all())


async def campaigns(
    session: AsyncSession, principal: Principal, on: date | None, page: PageParams
) -> tuple[list[Offer], str | None]:
    """Open and closed ones; with `on`, those that take clicks on that day. A partner sees its own."""
    statement = _offers(principal)
    if on is not None:
        statement = statement.where(
            col(Campaign.status) == "open",
            col(CampaignTerms.from_on) <= on,
            col(CampaignTerms.to_on) >= on,
        )
    rows, cursor = await paginate(session, statement, col(Campaign.campaign_id), page)
    return [Offer(row[0], row[1], row[2]) for row in rows], cursor


async def campaign(session: AsyncSession, principal: Principal, campaign_id: UUID) -> Offer | None:
    row = (await session.execute(_offers(principal).where(col(Campaign.campaign_id) == campaign_id))).first()
    return Offer(row[0], row[1], row[2]) if row else None


def _offers(principal: Principal) -> sa.Select[*tuple[Any, ...]]:
    left = (
        sa.select(col(Account.balance))
        .where(
            col(Account.kind) == Kind.CAMPAIGN_BUDGET,
            col(Account.owner) == sa.cast(col(Campaign.campaign_id), sa.Text),
        )
        .scalar_subquery()
    )
    statement = (
        sa.select(
            Campaign, CampaignTerms, left.label("budget_left"), col(Campaign.campaign_id).label("campaign_id")
        )
        .join(
            CampaignTerms,
            sa.and_(
                col(CampaignTerms.campaign_id) == col(Campaign.campaign_id),
                col(CampaignTerms.version) == col(Campaign.version),
            ),
        )
        .join(Partner, col(Partner.partner) == col(Campaign.partner))
    )
    if Role.PARTNER in principal.roles:
        statement = statement.where(col(Campaign.partner) == principal.partner)
    elif Role.FEDERAL_STAFF not in principal.roles:
        statement = statement.where(col(Partner.mode) == "live")
    return statement


@dataclass(frozen=True)
class Balance:
    pending: int
    available: int
    in_payout: int
    owed: int
    payable_until: date | None


async def balance(session: AsyncSession, member_id: UUID, payable_days: int) -> Balance:
    owner = str(member_id)
    kinds = (Kind.MEMBER_PENDING, Kind.MEMBER_AVAILABLE, Kind.PAYOUT_CLEARING, Kind.MEMBER_CLAWBACK)
    ids = {kind: Ref(kind, owner).account_id for kind in kinds}
    rows = await session.execute(
        sa.select(col(Account.account_id), col(Account.balance)).where(col(Account.account_id).in_(ids.values()))
    )
    known = {row.account_id: row.balance for row in rows}
    pending, available, in_payout, clawback = (known.get(ids[kind], 0) for kind in kinds)
    until = rules.payable_until(await session.get(Participant, member_id), payable_days)
    return Balance(pending, available, in_payout, -clawback, until)


async def trial_balance(session: AsyncSession, principal: Principal) -> list[tuple[str, int, int]]:
    """(kind, number of accounts, sum) for the whole ledger, which belongs to no organisation but the root."""
    if not principal.sees_everything and Role.FEDERAL_STAFF not in principal.roles:
        root = sa.select(col(Organisation.organisation_id)).where(
            col(Organisation.organisation_id) == principal.organisation_id,
            col(Organisation.parent_id).is_(None),
        )
        if (await session.execute(root)).first() is None:
            raise Forbidden("The ledger is the whole union's; this needs a token without an organisation.")
    rows = await session.execute(
        sa.select(
            col(Account.kind),
            sa.func.count(),
            sa.cast(sa.func.sum(col(Account.balance)), sa.BigInteger).label("balance"),
        )
        .where(col(Account.currency) == RUB)
        .group_by(col(Account.kind))
        .order_by(col(Account.kind))
    )
    return [(str(row[0]), row[1], row[2]) for row in rows]


@dataclass(frozen=True)
class Figures:
    participants: int
    purchases: int
    returned: int
    paid_out: int


async def headline(session: AsyncSession, principal: Principal) -> Figures:
    """The programme's figures over the caller's organisations."""
    enrolled = await session.scalar(
        sa.select(sa.func.count()).where(
            col(Participant.status) == rules.ENROLLED,
            own_or_in_scope(principal, col(Participant.member_id)),
        )
    )
    settled = col(Purchase.status).in_((*rules.HELD, rules.REFUNDED))
    bought = (
        await session.execute(
            sa.select(
                sa.func.count(),
                sa.cast(
                    sa.func.coalesce(sa.func.sum(col(Purchase.cashback)).filter(settled), 0), sa.BigInteger
                ).label("returned"),
            ).where(
                col(Purchase.status) != rules.DECLINED,
                live(),
                own_or_in_scope(principal, col(Purchase.member_id)),
            )
        )
    ).one()
    paid_out = await session.scalar(
        sa.select(sa.cast(sa.func.coalesce(sa.func.sum(col(Payout.amount)), 0), sa.BigInteger)).where(
            col(Payout.status) == rules.SETTLED, own_or_in_scope(principal, col(Payout.member_id))
        )
    )
    return Figures(enrolled or 0, bought[0], bought[1], paid_out or 0)
