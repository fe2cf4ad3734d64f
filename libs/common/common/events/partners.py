"""What partners tell the platform on their own topics, one for each partner: the topic says whose word it is."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from common.events.base import Event, Topic

PURCHASE_REPORTS = Topic("partner.{partner}.purchases.v1", owner="partner", compacted=False, retention_days=90)
"""A template; `PURCHASE_REPORTS.of("books")` is the topic of one partner."""


class OrderLineReported(Event):
    """A partner tells what became of a line of an order; `version` numbers its messages of a kind about the line."""

    event_type: ClassVar[str] = "partner.order_line_reported.v1"
    topic: ClassVar[Topic] = PURCHASE_REPORTS
    source: ClassVar[str] = "urn:union:partner"
    key_field: ClassVar[str] = "order"

    order: str
    line: int
    what: Literal["reported", "confirmed", "declined", "refunded"]
    click_id: UUID | None = None
    """Of `reported`: the id that came with the member."""
    amount: int | None = None
    """Kopecks: bought; of `confirmed` the part that stays (all, if null); of `refunded` the part that came back."""
    basket: int | None = None
    """Kopecks of the whole order, when the line is a part of it."""
    purchased_at: datetime | None = None
    """Of `reported`, in the zone of the purchase."""


EVENTS: tuple[type[Event], ...] = (OrderLineReported,)
