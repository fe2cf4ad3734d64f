"""Accounts, entries, postings; the chain over the entries and its checkpoints."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from cashback.models.base import MOMENT, RECORDED, Table


class Account(Table, table=True):
    """A ledger account. A positive balance is owed by the union, a negative one is owed to it or held by it.

    `balance` is a projection of the postings, kept in their transaction; `union ledger verify` rebuilds it.
    """

    __tablename__ = "account"
    __table_args__ = (
        sa.UniqueConstraint("kind", "owner", "currency", name="account_of_owner"),
        sa.UniqueConstraint("account_id", "currency", name="account_in_currency"),
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
    currency: str = Field(default="RUB", sa_column_kwargs={"server_default": "RUB"})


class JournalEntry(Table, table=True):
    """One movement of money. Appended, never changed: the database refuses it for everybody."""

    __tablename__ = "journal_entry"
    __table_args__ = (sa.CheckConstraint("lines >= 2", name="at_least_two_postings"),)
    entry_id: UUID = Field(primary_key=True)
    kind: str
    reference: str = Field(unique=True)
    """What it stands for: the same movement cannot be posted twice."""
    reversal_of: UUID | None = Field(foreign_key="journal_entry.entry_id", unique=True)
    occurred_at: datetime = Field(sa_type=MOMENT)
    """The business moment; `recorded_at` is ours."""
    recorded_at: datetime = Field(sa_type=MOMENT, sa_column_kwargs=RECORDED)
    explained: str
    lines: int = Field(sa_type=sa.SmallInteger)


class Posting(Table, table=True):
    """One line of an entry. The lines of an entry sum to zero: a deferred trigger holds it."""

    __tablename__ = "posting"
    __table_args__ = (
        sa.CheckConstraint("amount <> 0 and line > 0", name="amount_not_zero"),
        # A posting is in the currency of its account, so an entry's sums are one for each currency.
        sa.ForeignKeyConstraint(
            ["account_id", "currency"], ["account.account_id", "account.currency"], name="posting_in_currency"
        ),
    )
    entry_id: UUID = Field(primary_key=True, foreign_key="journal_entry.entry_id")
    line: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    account_id: UUID = Field(index=True)
    amount: int = Field(sa_type=sa.BigInteger)
    currency: str = Field(default="RUB", sa_column_kwargs={"server_default": "RUB"})


class ChainLink(Table, table=True):
    """A link of the hash chain over the journal, forged after the entry's transaction. Appended, never changed."""

    __tablename__ = "chain_link"
    sequence: int = Field(primary_key=True, sa_type=sa.BigInteger)
    entry_id: UUID = Field(unique=True)
    """No foreign key: a link must outlive a deleted entry, to tell of it."""
    content: bytes
    """SHA-256 of the entry with its postings."""
    digest: bytes
    """SHA-256 of the previous link's digest and `content`."""


class Checkpoint(Table, table=True):
    """The chain's state at the end of a day, signed. Appended, never changed."""

    __tablename__ = "checkpoint"
    day: date = Field(primary_key=True)
    sequence: int = Field(sa_type=sa.BigInteger)
    """The last link that it covers; 0 while there is none."""
    digest: bytes
    """That link's."""
    key_id: str
    signature: bytes
    made_at: datetime = Field(sa_type=MOMENT)
