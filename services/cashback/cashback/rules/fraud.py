"""What makes a purchase one that somebody should look at before it is paid for. Pure: times are in seconds."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cashback.models import FraudLimit

SLOTS = 60
"""A window is counted in so many slots, and one more: so it is at most a sixtieth longer than the limit says."""

Slots = dict[int, tuple[int, int]]
"""By the slot of time: purchases, and kopecks that they accrued."""


@dataclass(frozen=True)
class Buyer:
    """What is known here of who bought; the partner knows none of it."""

    member_id: UUID
    partner: str
    card_id: UUID | None
    device: bytes | None
    related: bool
    clicked_at: datetime

    def counted_by(self, kind: str) -> str | None:
        """The key under which a limit of this kind counts; None when there is none."""
        value = {
            "member": self.member_id.hex,
            "card": self.card_id and self.card_id.hex,
            "partner": self.partner,
            "device": self.device and self.device.hex(),
        }[kind]
        return str(value) if value else None


@dataclass(frozen=True)
class Hit:
    kind: str
    limit_id: UUID | None = None
    limit_version: int | None = None
    measured: int | None = None
    threshold: int | None = None


def slot_seconds(limit: FraudLimit) -> int:
    return max(1, (limit.window_seconds or 0) // SLOTS)


@dataclass
class Watch:
    """The limits in force and what has been counted so far; a purchase that is looked at is counted with it."""

    limits: list[FraudLimit] = field(default_factory=list)
    counted: dict[UUID, dict[str, Slots]] = field(default_factory=lambda: defaultdict(dict))
    """By the limit's id and the key."""

    def hits(self, buyer: Buyer, purchased_at: datetime, earned: int) -> list[Hit]:
        found = [Hit("self_dealing")] if buyer.related else []
        for limit in self.limits:
            if limit.partner not in (None, buyer.partner):
                continue
            if limit.kind == "click_to_purchase":
                seconds = int((purchased_at - buyer.clicked_at).total_seconds())
                measured = [(seconds, limit.least_seconds or 0)] if seconds < (limit.least_seconds or 0) else []
            else:
                measured = self._velocity(limit, buyer.counted_by(limit.kind), purchased_at, earned)
            found += [
                Hit(limit.kind, limit.limit_id, limit.version, value, threshold) for value, threshold in measured
            ]
        return found

    def _velocity(
        self, limit: FraudLimit, key: str | None, purchased_at: datetime, earned: int
    ) -> list[tuple[int, int]]:
        if key is None:
            return []
        slots = self.counted[limit.limit_id].setdefault(key, {})
        slot = int(purchased_at.timestamp()) // slot_seconds(limit)
        before = slots.get(slot, (0, 0))
        slots[slot] = (before[0] + 1, before[1] + earned)
        purchases, kopecks = worst(slots, slot)
        found = []
        if limit.most_purchases is not None and purchases > limit.most_purchases:
            found.append((purchases, limit.most_purchases))
        if limit.most_cashback is not None and kopecks > limit.most_cashback:
            found.append((kopecks, limit.most_cashback))
        return found


def worst(slots: Mapping[int, tuple[int, int]], slot: int) -> tuple[int, int]:
    """The most purchases and the most kopecks in any window that `slot` is in: reports may come out of turn."""
    near = [(0, 0)] * (2 * SLOTS + 1)
    for place in range(len(near)):
        near[place] = slots.get(slot - SLOTS + place, (0, 0))
    purchases = sum(count for count, _ in near[: SLOTS + 1])
    kopecks = sum(amount for _, amount in near[: SLOTS + 1])
    most = [purchases, kopecks]
    for leaving in range(SLOTS):
        purchases += near[leaving + SLOTS + 1][0] - near[leaving][0]
        kopecks += near[leaving + SLOTS + 1][1] - near[leaving][1]
        most = [max(most[0], purchases), max(most[1], kopecks)]
    return most[0], most[1]
