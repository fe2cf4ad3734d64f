"""The service's tables. Amounts are kopecks; a partner is named by its code."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from common.tables import add_kernel_tables

_MOMENT = sa.DateTime(timezone=True)
_RECORDED = {"server_default": sa.text("clock_timestamp()")}


class Table(SQLModel, registry=registry()):
    """Base of this service's tables, with a metadata of its own."""


def one_of(column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} in ({listed})", name=f"{column}_known")


class Organisation(Table, table=True):
    """Projection of registry.organisation.v1: the tree that scopes are cut by."""

    __tablename__ = "organisation"
    organisation_id: UUID = Field(primary_key=True)
    parent_id: UUID | None = Field(index=True)
    kind: str
    name: str
    status: str
    version: int


class Member(Table, table=True):
    """Projection of registry.member.v1: what enrolment depends on."""

    __tablename__ = "member"
    member_id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(index=True)
    status: str
    consents: list[str] = Field(sa_type=ARRAY(sa.Text))
    version: int


class Card(Table, table=True):
    """Projection of cards.card.v1: whether a member has an active one."""

    __tablename__ = "card"
    card_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(index=True)
    form: str
    status: str
    version: int


class Participant(Table, table=True):
    """A member's enrolment. Enrolling again after an end starts it anew with the next version."""

    __tablename__ = "participant"
    __table_args__ = (
        one_of("status", "enrolled", "ended"),
        sa.CheckConstraint("(status = 'ended') = (ended_on is not null)", name="ended_has_a_day"),
    )
    member_id: UUID = Field(primary_key=True)
    status: str
    enrolled_on: date
    ended_on: date | None
    """The first day on which nothing is earned any more."""
    end_reason: str | None
    version: int

    def public_state(self, effective_on: date) -> dict[str, Any]:
        return {**self.model_dump(include={"member_id", "status", "enrolled_on", "version"})} | {
            "effective_on": effective_on
        }


class Partner(Table, table=True):
    """A shop or service that pays cashback."""

    __tablename__ = "partner"
    __table_args__ = (sa.CheckConstraint("hold_days >= 0", name="hold_days_not_negative"),)
    partner: str = Field(primary_key=True)
    """The code: what events, tokens and accounts call it."""
    name: str
    hold_days: int
    """How many days after a purchase it may be confirmed at the earliest: the time for returns."""
    landing_url: str
    """Where a click leads; the click's id is added to its query."""


class Campaign(Table, table=True):
    """What a partner offers. `version` names the terms in force; older ones stay for what they were promised to."""

    __tablename__ = "campaign"
    __table_args__ = (one_of("status", "open", "closed"),)
    campaign_id: UUID = Field(primary_key=True)
    partner: str = Field(foreign_key="partner.partner", index=True)
    status: str
    budget: int | None = Field(sa_type=sa.BigInteger)
    """Kopecks of cashback at most, for the whole campaign; None is without a limit."""
    version: int


class CampaignTerms(Table, table=True):
    """One version of a campaign's rules; never changed."""

    __tablename__ = "campaign_terms"
    __table_args__ = (
        one_of("rounding", "floor", "half_even"),
        sa.CheckConstraint("(basis_points is null) <> (fixed is null)", name="one_kind_of_reward"),
        sa.CheckConstraint("basis_points between 1 and 10000", name="basis_points_in_range"),
        sa.CheckConstraint("fixed > 0 and cap_per_order > 0 and min_basket >= 0", name="amounts_in_range"),
        sa.CheckConstraint("from_on <= to_on", name="window_in_order"),
    )
    campaign_id: UUID = Field(primary_key=True, foreign_key="campaign.campaign_id")
    version: int = Field(primary_key=True)
    title: str
    basis_points: int | None
    """Hundredths of a per cent of the purchase; or:"""
    fixed: int | None = Field(sa_type=sa.BigInteger)
    min_basket: int = Field(sa_type=sa.BigInteger)
    cap_per_order: int | None = Field(sa_type=sa.BigInteger)
    rounding: str
    from_on: date
    to_on: date
    """The last day."""


class Click(Table, table=True):
    """A member's way to a partner. Only the random id leaves this service."""

    __tablename__ = "click"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["campaign_id", "campaign_version"], ["campaign_terms.campaign_id", "campaign_terms.version"]
        ),
    )
    click_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(index=True)
    campaign_id: UUID
    campaign_version: int
    """The terms that the member saw; purchases of this click earn by them."""
    clicked_at: datetime = Field(sa_type=_MOMENT)


class Purchase(Table, table=True):
    """A purchase that a partner reported, and the cashback on it."""

    __tablename__ = "purchase"
    __table_args__ = (
        sa.UniqueConstraint("partner", "order_number", "line", name="purchase_reported_once"),
        one_of("status", "pending", "confirmed", "declined", "refunded"),
        sa.Index("purchase_of_partner", "partner", "purchase_id"),
        sa.CheckConstraint("0 <= amount and amount <= reported", name="amount_within_reported"),
        sa.CheckConstraint("0 <= cashback and cashback <= accrued", name="cashback_within_accrued"),
    )
    purchase_id: UUID = Field(primary_key=True)
    click_id: UUID = Field(foreign_key="click.click_id", index=True)
    member_id: UUID = Field(index=True)
    partner: str = Field(foreign_key="partner.partner")
    campaign_id: UUID = Field(foreign_key="campaign.campaign_id")
    campaign_version: int
    order_number: str
    line: int
    basket: int | None = Field(sa_type=sa.BigInteger)
    reported: int = Field(sa_type=sa.BigInteger)
    """The purchase as first reported."""
    amount: int = Field(sa_type=sa.BigInteger)
    """What is left of it after partial confirmation and refunds."""
    accrued: int = Field(sa_type=sa.BigInteger)
    """The cashback on `reported`; the cashback on a part is this pro rata."""
    cashback: int = Field(sa_type=sa.BigInteger)
    """The cashback on `amount`."""
    status: str
    purchased_at: datetime = Field(sa_type=_MOMENT)
    purchased_on: date
    """The day of `purchased_at` in the zone that the partner sent."""
    hold_until: date
    """The first day on which it may be confirmed."""
    resolved_on: date | None
    explanation: str
    """Russian: by which rule the cashback was counted."""
    recorded_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_RECORDED)
    version: int

    def public_state(self, effective_on: date) -> dict[str, Any]:
        fields = {"purchase_id", "member_id", "partner", "campaign_id", "status", "amount", "cashback", "version"}
        return {**self.model_dump(include=fields), "effective_on": effective_on}


class Refund(Table, table=True):
    """A return of goods after confirmation, under the partner's own number for it."""

    __tablename__ = "refund"
    __table_args__ = (
        sa.UniqueConstraint("purchase_id", "reference", name="refund_taken_once"),
        sa.CheckConstraint("amount > 0 and cashback >= 0", name="amounts_in_range"),
    )
    refund_id: UUID = Field(primary_key=True)
    purchase_id: UUID = Field(foreign_key="purchase.purchase_id")
    reference: str
    amount: int = Field(sa_type=sa.BigInteger)
    cashback: int = Field(sa_type=sa.BigInteger)
    """Kopecks of cashback taken back."""
    effective_on: date


class Payout(Table, table=True):
    """Money on its way to a member."""

    __tablename__ = "payout"
    __table_args__ = (
        one_of("status", "requested", "settled", "failed"),
        sa.CheckConstraint("amount > 0", name="amount_positive"),
    )
    payout_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(index=True)
    amount: int = Field(sa_type=sa.BigInteger)
    status: str
    requested_on: date
    resolved_on: date | None
    reason: str | None
    """Why it failed."""
    version: int

    def public_state(self, effective_on: date) -> dict[str, Any]:
        fields = {"payout_id", "member_id", "status", "amount", "version"}
        return {**self.model_dump(include=fields), "effective_on": effective_on}


class Account(Table, table=True):
    """A ledger account. A positive balance is owed by the union, a negative one is owed to it or held by it.

    `balance` is a projection of the postings, kept in their transaction; `union ledger verify` rebuilds it.
    """

    __tablename__ = "account"
    __table_args__ = (
        sa.UniqueConstraint("kind", "owner", name="account_of_owner"),
        sa.CheckConstraint("allow_negative or balance >= 0", name="balance_not_negative"),
        sa.CheckConstraint("allow_positive or balance <= 0", name="balance_not_positive"),
    )
    account_id: UUID = Field(primary_key=True)
    kind: str
    owner: str
    """A member's or a campaign's id, a partner's code; empty for the union's own accounts."""
    balance: int = Field(sa_type=sa.BigInteger)
    allow_negative: bool
    allow_positive: bool


class JournalEntry(Table, table=True):
    """One movement of money. Appended, never changed: the database refuses it for everybody."""

    __tablename__ = "journal_entry"
    __table_args__ = (sa.CheckConstraint("lines >= 2", name="at_least_two_postings"),)
    entry_id: UUID = Field(primary_key=True)
    kind: str
    reference: str = Field(unique=True)
    """What it stands for: the same movement cannot be posted twice."""
    reversal_of: UUID | None = Field(foreign_key="journal_entry.entry_id", unique=True)
    occurred_at: datetime = Field(sa_type=_MOMENT)
    """The business moment; `recorded_at` is ours."""
    recorded_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_RECORDED)
    explained: str
    lines: int = Field(sa_type=sa.SmallInteger)


class Posting(Table, table=True):
    """One line of an entry. The lines of an entry sum to zero: a deferred trigger holds it."""

    __tablename__ = "posting"
    __table_args__ = (sa.CheckConstraint("amount <> 0 and line > 0", name="amount_not_zero"),)
    entry_id: UUID = Field(primary_key=True, foreign_key="journal_entry.entry_id")
    line: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    account_id: UUID = Field(foreign_key="account.account_id", index=True)
    amount: int = Field(sa_type=sa.BigInteger)


add_kernel_tables(Table.metadata)
