"""Tables of the cards service: cards with their steps, plastic batches, projections of the registry."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from common.events import cards as events
from common.tables import add_kernel_tables


class Table(SQLModel, registry=registry()):
    """Base of this service's tables, with a metadata of its own."""


card_counter = sa.Sequence("card_counter", metadata=Table.metadata, start=0, minvalue=0)
"""Each value makes one card's number and status index; a value that a rollback skipped is never used."""
batch_counter = sa.Sequence("batch_counter", metadata=Table.metadata)
"""Runs through the references of plastic batches."""

STAGES = ("ordered", "withdrawn", "produced", "spoiled", "dispatched", "delivered", "missing", "handed_over")
"""Of a piece of plastic; that its card ended on the way does not change where the plastic is."""

LIVE = ("requested", "issued", "active", "suspended")
"""A member has at most one live card of each form."""
LIVE_SQL = sa.text("status in ('requested', 'issued', 'active', 'suspended')")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


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
    """Projection of registry.member.v1: ids, status and consents only."""

    __tablename__ = "member"
    member_id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(index=True)
    status: str
    consents: list[str] = Field(sa_type=ARRAY(sa.Text))
    version: int


class PlasticBatch(Table, table=True):
    """An order of plastic cards for one organisation, from the order to the handing-over."""

    __tablename__ = "plastic_batch"
    batch_id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(index=True)
    reference: str = Field(unique=True)
    status: str
    cards: int
    """How many were ordered."""
    spoiled: int = 0
    missing: int = 0
    """How many did not reach the organisation."""
    ordered_by: str
    approved_by: str | None = None
    """Another person than `ordered_by`."""
    created_at: datetime = Field(sa_type=_moment())
    changed_at: datetime = Field(sa_type=_moment())
    version: int = 1

    def public_state(self, effective_on: date) -> dict[str, object]:
        """The fields of a `BatchEvent`."""
        names = events.BatchEvent.model_fields.keys() - {"effective_on"}
        return {name: getattr(self, name) for name in names} | {"effective_on": effective_on}


class PlasticCard(Table, table=True):
    """A piece of plastic on its way: what the factory and the organisation said of it. Its life is its `card`'s."""

    __tablename__ = "plastic_card"
    __table_args__ = (sa.CheckConstraint(f"stage in ({', '.join(map(repr, STAGES))})", name="stage_known"),)
    card_id: UUID = Field(primary_key=True, foreign_key="card.card_id")
    batch_id: UUID = Field(index=True, foreign_key="plastic_batch.batch_id")
    serial: str = Field(unique=True)
    """What the factory calls it: the batch's reference and a running number. Never given twice."""
    stage: str = "ordered"
    note: str | None = None
    """The factory's word: why it was spoiled, with which parcel it went."""
    receipt: str | None = None
    """The number of the receipt that the member signed."""
    handed_over_by: str | None = None
    changed_at: datetime = Field(sa_type=_moment())


class PersonalisationFile(Table, table=True):
    """That a file with names was made for the factory: when, by whom and which. The file itself is kept nowhere."""

    __tablename__ = "personalisation_file"
    batch_id: UUID = Field(primary_key=True, foreign_key="plastic_batch.batch_id")
    file_number: int = Field(primary_key=True)
    cards: int
    sha256: str
    """Of the file before it was encrypted: what its trailer says."""
    made_by: str
    made_at: datetime = Field(sa_type=_moment())


class FactoryResponse(Table, table=True):
    """An answer of the factory that was taken in, wholly."""

    __tablename__ = "factory_response"
    batch_id: UUID = Field(primary_key=True, foreign_key="plastic_batch.batch_id")
    response_number: int = Field(primary_key=True)
    sha256: str
    lines: int
    received_by: str
    received_at: datetime = Field(sa_type=_moment())


class Card(Table, table=True):
    """One card of one member. `rules` says which status may follow which."""

    __tablename__ = "card"
    __table_args__ = (
        sa.Index(
            "card_one_live",
            "member_id",
            "form",
            unique=True,
            postgresql_where=LIVE_SQL,
        ),
        # Most cards are virtual and replace none: they need no entry here.
        sa.Index("card_batch", "batch_id", postgresql_where=sa.text("batch_id is not null")),
        sa.Index("card_replaces", "replaces_id", unique=True, postgresql_where=sa.text("replaces_id is not null")),
        # The status list and the daily expiry each read a small part of a large table.
        sa.Index(
            "card_not_active",
            "expires_on",
            "status_index",
            "status",
            postgresql_where=sa.text("status <> 'active'"),
        ),
        sa.Index(
            "card_expires_on",
            "expires_on",
            postgresql_where=LIVE_SQL,
        ),
    )
    card_id: UUID = Field(primary_key=True)
    member_id: UUID = Field(index=True)
    member_version: int = Field(sa_type=sa.BigInteger)
    """The member's version that the card was made on: an older event of the member does not end it."""
    form: str
    """virtual, plastic"""
    status: str
    reason: str | None = None
    """Why it is blocked or suspended."""
    number: str = Field(unique=True)
    """A bearer's secret: whole for the holder, masked for everybody else, in no event and no log."""
    reference: bytes
    """16 random bytes: what the QR code calls the card; nothing else carries it."""
    status_index: int = Field(sa_type=sa.BigInteger, unique=True)
    """The card's place in the status list."""
    expires_on: date
    """The first day on which it is not valid."""
    batch_id: UUID | None = Field(default=None, foreign_key="plastic_batch.batch_id")
    replaces_id: UUID | None = Field(default=None, foreign_key="card.card_id")
    created_at: datetime = Field(sa_type=_moment())
    version: int = 1

    def public_state(self, effective_on: date) -> dict[str, object]:
        """The fields of a `CardEvent`."""
        names = events.CardEvent.model_fields.keys() - {"effective_on"}
        return {name: getattr(self, name) for name in names} | {"effective_on": effective_on}


class CardStep(Table, table=True):
    """A step of a card's life, never changed (a trigger holds it)."""

    __tablename__ = "card_step"
    card_id: UUID = Field(primary_key=True)
    """Not a foreign key: no card is ever deleted (a trigger holds it), and looking it up costs more than the step."""
    version: int = Field(primary_key=True)
    """The card's version after the step."""
    status: str
    reason: str | None
    actor: str
    """The subject of the caller's token, or the type of the event that caused it."""
    event_id: UUID | None = None
    """The event that caused it."""
    at: datetime = Field(sa_type=_moment())


class CardDevice(Table, table=True):
    """A device that shows a virtual card: the public half of a key that never leaves it."""

    __tablename__ = "card_device"
    __table_args__ = (
        sa.Index(
            "card_device_slot", "card_id", "slot", unique=True, postgresql_where=sa.text("revoked_at is null")
        ),
        sa.CheckConstraint("slot in (1, 2)", name="card_device_slots"),
    )
    device_id: UUID = Field(primary_key=True)
    card_id: UUID = Field(index=True, foreign_key="card.card_id")
    slot: int = Field(sa_type=sa.SmallInteger)
    """A card is on two devices at most."""
    point: bytes
    """The key on P-256 as a compressed point, 33 bytes."""
    registered_at: datetime = Field(sa_type=_moment())
    revoked_at: datetime | None = Field(default=None, sa_type=_moment())


class UsedProof(Table, table=True):
    """The proofs of devices that were taken online within their minute: none is taken twice."""

    __tablename__ = "used_proof"
    point: bytes = Field(primary_key=True)
    proved_at: int = Field(primary_key=True, sa_type=sa.BigInteger)
    """Unix seconds by the device's clock."""
    taken_at: datetime = Field(sa_type=_moment(), index=True)


KEY_STATES = ("next", "current", "retired", "revoked")


class TrustedKey(Table, table=True):
    """The public half of a key that signs codes, and whether it does. Private halves are in files alone."""

    __tablename__ = "trusted_key"
    __table_args__ = (
        sa.Index("trusted_key_one_current", "state", unique=True, postgresql_where=sa.text("state = 'current'")),
        sa.CheckConstraint("state in ('next', 'current', 'retired', 'revoked')", name="trusted_key_states"),
    )
    kid: bytes = Field(primary_key=True)
    jwk: dict[str, str] = Field(sa_type=JSONB)
    state: str
    """next: trusted, does not sign yet; current: signs; retired: trusted for the cards in the field; revoked."""
    created_at: datetime = Field(sa_type=_moment())
    changed_at: datetime = Field(sa_type=_moment())


class KeyStatement(Table, table=True):
    """The root key's signature over the trusted keys; the newest is served."""

    __tablename__ = "key_statement"
    statement_id: int | None = Field(
        default=None, sa_column=sa.Column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    )
    message: bytes
    kids: list[str] = Field(sa_type=ARRAY(sa.Text))
    """The keys in it, by their ids in base64url."""
    issued_at: datetime = Field(sa_type=_moment())
    expires_at: datetime = Field(sa_type=_moment())


add_kernel_tables(Table.metadata)
