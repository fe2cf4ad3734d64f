"""What a partner tells of the lines of its orders, whichever way it comes."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal
from uuid import UUID

import orjson

from cashback.errors import ReportIncomplete
from cashback.models import Purchase
from common.errors import BusinessError

What = Literal["reported", "confirmed", "declined", "refunded"]
Source = Literal["api", "topic", "file", "review", "reconciliation"]

Line = tuple[str, str, int]
"""(partner, order, line): names a purchase."""
Key = tuple[str, str, int, str, str]
"""(partner, order, line, what, version): names a message."""


@dataclass(frozen=True)
class Report:
    """A message about one line of an order.

    `reported` needs click_id, amount and purchased_at (`basket`: the whole order's amount, if this is a part);
    the others need effective_on. `amount` of `confirmed` is the part that stays (all, if left out), of
    `refunded` the part that came back. `version` numbers the messages of a kind: a refund's is its reference.
    `traceparent` is the trace that its events continue.
    """

    partner: str
    order: str
    line: int
    what: What = "reported"
    version: str = "1"
    click_id: UUID | None = None
    amount: int | None = None
    basket: int | None = None
    purchased_at: datetime | None = None
    effective_on: date | None = None
    traceparent: str | None = None

    @property
    def of(self) -> Line:
        return self.partner, self.order, self.line

    @property
    def key(self) -> Key:
        return self.partner, self.order, self.line, self.what, self.version

    def digest(self) -> bytes:
        """SHA-256 of the content: what makes a repeated message the same."""
        bought = self.purchased_at
        said = (
            self.click_id,
            self.amount,
            self.basket,
            None if bought is None else (bought.astimezone(UTC), bought.date()),
            self.effective_on,
        )
        return hashlib.sha256(orjson.dumps(said)).digest()

    def check_complete(self) -> None:
        needed = {
            "reported": ("click_id", "amount", "purchased_at"),
            "refunded": ("amount", "effective_on"),
        }.get(self.what, ("effective_on",))
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ReportIncomplete(self.what, ", ".join(missing))


@dataclass(frozen=True)
class Told:
    """What came of a message: the purchase as it stood after it, or the refusal, which changed nothing."""

    report: Report
    purchase: Purchase | None
    refusal: BusinessError | None = None
    repeated: bool = False
    """It was taken before, and this is the first answer."""
