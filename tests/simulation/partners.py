"""Partners with books of their own: what they sold, what came back, and the cashback that they reckon to owe.

Written apart from the service, with Decimal, so that two mistakes would have to agree.
"""

import base64
import hashlib
import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cashback.commands.files import COLUMNS

HOLD_DAYS = 14
Message = dict[str, Any]


@dataclass
class Sold:
    """A line of an order as its seller knows it."""

    order: str
    click_id: UUID
    bought: int
    day: date
    left: int = 0
    status: str = "pending"
    earns: bool = True
    """False when the union has refused it for good."""


@dataclass
class Shop:
    """A partner: rate and rounding by its contract, `way` it tells of purchases first; files follow every night."""

    code: str
    way: str
    rate: Decimal
    rounding: str
    cap_per_order: int | None = None
    member_cap: int | None = None
    budget: int | None = None
    campaign_id: UUID | None = None
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    sold: dict[str, Sold] = field(default_factory=dict)
    diary: dict[date, list[Message]] = field(default_factory=dict)
    """What is going to be told on which day."""
    unheard: dict[tuple[str, str, str], Message] = field(default_factory=dict)
    given_up: dict[str, tuple[list[Message], list[tuple[date, Message]]]] = field(default_factory=dict)
    """Told, but no answer says that it was taken."""

    @property
    def public_key(self) -> str:
        return base64.b64encode(self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()

    @property
    def exact(self) -> bool:
        """Whether the cashback of a line depends on nothing but the line."""
        return self.member_cap is None and self.budget is None

    def terms(self, start: date, end: date) -> dict[str, Any]:
        return {
            "title": self.code,
            "basis_points": int(self.rate * 10_000),
            "fixed": None,
            "min_basket": 0,
            "cap_per_order": self.cap_per_order,
            "cap_per_member": self.member_cap,
            "cap_period": "month",
            "rounding": "floor" if self.rounding == ROUND_FLOOR else "half_even",
            "from_on": start,
            "to_on": end,
        }

    def sell(self, click_id: UUID, moment: datetime, dice: random.Random) -> None:
        """A purchase, and all that will become of it in the following months."""
        order, amount, day = f"{self.code}-{len(self.sold)}", dice.randrange(1, 900_000), moment.date()
        self.sold[order] = Sold(order, click_id, amount, day)
        told = {"what": "reported", "click_id": click_id, "amount": amount, "purchased_at": moment.isoformat()}
        self.plan(day, order, told)
        settled = day + timedelta(HOLD_DAYS + dice.randint(0, 20))
        fate = dice.random()
        if fate < 0.1:
            self.plan(settled, order, {"what": "declined", "effective_on": settled})
            return
        stays = dice.randint(1, amount) if fate < 0.25 else amount
        part = {} if stays == amount else {"amount": stays}
        self.plan(settled, order, {"what": "confirmed", "effective_on": settled, **part})
        while dice.random() < 0.15 and stays:
            back, settled = dice.randint(1, stays), settled + timedelta(dice.randint(1, 30))
            stays -= back
            number = str(amount - stays)
            self.plan(
                settled, order, {"what": "refunded", "version": number, "amount": back, "effective_on": settled}
            )

    def plan(self, day: date, order: str, message: Message) -> None:
        self.diary.setdefault(day, []).append({"order": order, "line": 1, "version": "1", **message})

    def today(self, day: date) -> list[Message]:
        """What happens in the shop today: its books are brought along, the messages are to be told."""
        messages = self.diary.pop(day, [])
        for message in messages:
            one = self.sold[message["order"]]
            if message["what"] == "reported":
                one.left = message["amount"]
            elif message["what"] == "declined":
                one.status, one.left = "declined", 0
            elif message["what"] == "confirmed":
                one.left = message.get("amount", one.left)
                one.status = "confirmed" if one.left == one.bought else "partly_confirmed"
            else:
                one.left -= message["amount"]
                one.status = one.status if one.left else "refunded"
            self.unheard[self.key_of(message)] = message
        return messages

    @staticmethod
    def key_of(message: Message) -> tuple[str, str, str]:
        return message["order"], message["what"], message["version"]

    def heard(self, message: Message) -> None:
        self.unheard.pop(self.key_of(message), None)

    def give_up(self, order: str) -> None:
        """The union earns nothing on this order: what else becomes of it is the shop's own affair."""
        self.sold[order].earns = False
        mine = [message for key, message in self.unheard.items() if key[0] == order]
        self.unheard = {key: message for key, message in self.unheard.items() if key[0] != order}
        planned = []
        for day, messages in sorted(self.diary.items()):
            planned += [(day, message) for message in messages if message["order"] == order]
            self.diary[day] = [message for message in messages if message["order"] != order]
        self.given_up[order] = mine, planned

    def taken_after_all(self, order: str, day: date) -> None:
        """A file that was on its way came after the one that was refused, when budget had come back: it earns."""
        if order not in self.given_up:
            return
        mine, planned = self.given_up.pop(order)
        self.sold[order].earns = True
        self.unheard |= {self.key_of(message): message for message in mine}
        for due, message in planned:
            self.plan(max(due, day + timedelta(1)), order, message)

    def file(self) -> tuple[bytes, str, list[Message]]:
        """Tonight's file of all that no answer was heard to, its signature, and what is in it."""
        messages = sorted(
            self.unheard.values(), key=lambda m: ("reported", "confirmed", "declined", "refunded").index(m["what"])
        )
        rows = [",".join(COLUMNS)]
        rows += [",".join(str(message.get(name, "")) for name in COLUMNS) for message in messages]
        rows.append(f"total,{len(messages)},{sum(message.get('amount', 0) for message in messages)}")
        content = "\n".join(rows).encode()
        return content, base64.b64encode(self.key.sign(hashlib.sha256(content).digest())).decode(), messages

    def owes(self, one: Sold) -> int:
        """Kopecks of cashback on what is left of a line, by the shop's own reckoning."""
        accrued = (one.bought * self.rate).to_integral_value(self.rounding)
        if self.cap_per_order is not None:
            accrued = min(accrued, Decimal(self.cap_per_order))
        return int((accrued * one.left / one.bought).to_integral_value(self.rounding))


def shops() -> list[Shop]:
    return [
        Shop("books", "api", Decimal("0.05"), ROUND_FLOOR),
        Shop("films", "topic", Decimal("0.0333"), ROUND_HALF_EVEN, cap_per_order=15_000),
        Shop("sport", "file", Decimal("0.07"), ROUND_FLOOR, member_cap=60_000, budget=30_000_000),
    ]


def noon(day: date, dice: random.Random) -> datetime:
    return datetime.combine(day, time(9), UTC) + timedelta(minutes=dice.randint(0, 600))
