"""Where partners want to be told, and the log of telling them (Standard Webhooks)."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from cashback.models.base import MOMENT, Table, one_of


class Webhook(Table, table=True):
    """An address of a partner. Its secret is derived from the service's key and stands nowhere."""

    __tablename__ = "webhook"
    __table_args__ = (one_of("status", "enabled", "disabled"),)
    webhook_id: UUID = Field(primary_key=True)
    partner: str = Field(foreign_key="partner.partner", index=True)
    url: str
    status: str
    disabled_reason: str | None = None
    secret_number: int
    """Of the secret in force; 0: none was given out yet, and nothing is sent."""
    secret_given_at: datetime | None = Field(default=None, sa_type=MOMENT)
    failing_since: datetime | None = Field(default=None, sa_type=MOMENT)
    version: int


class WebhookDelivery(Table, table=True):
    """A message for an address, until it is taken or given up. Its id is the `webhook-id`, at every attempt."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        one_of("state", "waiting", "delivered", "given_up"),
        sa.Index("webhook_delivery_due", "due_at", postgresql_where=sa.text("state = 'waiting'")),
        sa.Index("webhook_delivery_of", "webhook_id", "delivery_id"),
    )
    delivery_id: UUID = Field(primary_key=True)
    webhook_id: UUID = Field(
        sa_column=sa.Column(sa.Uuid, sa.ForeignKey("webhook.webhook_id", ondelete="CASCADE"), nullable=False)
    )
    event_type: str
    content: bytes
    """The body, byte for byte, as it is signed."""
    state: str
    attempts: int
    due_at: datetime = Field(sa_type=MOMENT)
    made_at: datetime = Field(sa_type=MOMENT, index=True)
    delivered_at: datetime | None = Field(default=None, sa_type=MOMENT)


class WebhookAttempt(Table, table=True):
    """One try: what the address answered, or why it did not."""

    __tablename__ = "webhook_attempt"
    delivery_id: UUID = Field(
        sa_column=sa.Column(
            sa.Uuid, sa.ForeignKey("webhook_delivery.delivery_id", ondelete="CASCADE"), primary_key=True
        )
    )
    number: int = Field(primary_key=True)
    tried_at: datetime = Field(sa_type=MOMENT)
    milliseconds: int
    status: int | None = None
    """The HTTP status; None when there was no answer, for the reason in `error`."""
    error: str | None = None
