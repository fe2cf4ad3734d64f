"""Bodies about partners' addresses and what they were sent."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from cashback.schemas.base import Moment, PartnerCode, Request

Target = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{3,500}$")]


class WebhookRequest(Request):
    url: Target = Field(description="https:// on the public internet")
    partner: PartnerCode | None = Field(default=None, description="By the union's staff; a partner's is its own")


class WebhookChange(Request):
    url: Target | None = None
    status: Literal["enabled", "disabled"] | None = None

    @model_validator(mode="after")
    def _not_null(self) -> Self:
        if any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("a value cannot be null; leave it out to keep it")
        return self


class WebhookView(BaseModel):
    webhook_id: UUID
    partner: str
    url: str
    status: Literal["enabled", "disabled"]
    disabled_reason: str | None = Field(description="by_partner, failing, or gone (it answered 410)")
    has_secret: bool = Field(description="Nothing is sent before it is given one")
    failing_since: datetime | None
    version: int


class WebhookSecret(BaseModel):
    secret: str = Field(description="whsec_…: shown this once; the one before it signs too, for a day")


class DeliveryView(BaseModel):
    delivery_id: UUID = Field(description="The webhook-id of all its attempts")
    webhook_id: UUID
    event_type: str
    state: Literal["waiting", "delivered", "given_up"]
    attempts: int
    due_at: datetime
    made_at: datetime
    delivered_at: datetime | None


class AttemptView(BaseModel):
    number: int
    tried_at: datetime
    milliseconds: int
    status: int | None
    error: str | None


class DeliveryLog(DeliveryView):
    tries: list[AttemptView]
    content: dict[str, Any] = Field(description="What is sent")


class RedeliverRequest(Request):
    since: Moment = Field(description="All that was made since then and given up")


class Redelivered(BaseModel):
    deliveries: int
