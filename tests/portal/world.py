"""A small world on a real stack, made through the public APIs: a school, its members, a shop, purchases."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from local_stack import Issuer

SCHOOL = "ППО МБОУ «Берёзовская СОШ № 12»"
SHOP = "knigomir"
PATIENCE = 60.0
"""Seconds that an event may take on a busy machine."""


def eventually(probe: Callable[[], Any], what: str) -> Any:
    """What `probe` returns once it is true of anything; AssertionError after PATIENCE."""
    end = time.monotonic() + PATIENCE
    while True:
        if found := probe():
            return found
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.1)


@dataclass
class Person:
    member_id: str
    last_name: str
    first_name: str

    @property
    def name(self) -> str:
        return f"{self.last_name} {self.first_name}"


@dataclass
class World:
    """Speaks to the stack's APIs as the centre, as a shop, as a member."""

    ports: dict[str, int]
    issuer: Issuer
    school: str = ""
    region: str = ""
    campaign: str = ""
    _clients: dict[str, httpx.Client] = field(default_factory=dict)

    @property
    def portal(self) -> str:
        return f"http://127.0.0.1:{self.ports['portal']}"

    def ask(self, method: str, service: str, path: str, token: str | None = None, **request: Any) -> Any:
        client = self._clients.setdefault(
            service,
            httpx.Client(
                base_url=f"http://127.0.0.1:{self.ports[service]}",
                trust_env=False,
                timeout=30,
                limits=httpx.Limits(keepalive_expiry=1.0),
            ),
        )
        headers = {"X-Purpose": "control", **request.pop("headers", {})}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        response = client.request(method, path, headers=headers, **request)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if "json" in response.headers.get("content-type", "") else response.content

    def centre(self, person: str = "centre") -> str:
        return self.issuer.mint(person, ["federal_staff"])

    def shop(self) -> str:
        return self.issuer.mint("shop", ["partner"], partner=SHOP)

    def own(self, person: Person) -> str:
        return self.issuer.mint(f"member-{person.member_id}", ["member"], member_id=person.member_id)

    def build(self) -> None:
        """The tree, the shop and its offer."""
        root = self._organisation("federal", "Общероссийский Профсоюз образования", None)
        self.region = self._organisation("regional", "Омская областная организация", root)
        self.school = self._organisation("primary", SCHOOL, self.region, institution_type="school", employed=60)
        self._organisation(
            "primary", "ППО МБДОУ «Детский сад № 3 Ромашка»", self.region, institution_type="preschool"
        )
        today = datetime.now(UTC).date()
        self.ask(
            "POST",
            "cashback",
            "/v1/partners",
            self.centre(),
            json={
                "partner": SHOP,
                "name": "Книгомир",
                "hold_days": 0,
                "landing_url": "https://shop.example/start",
            },
        )
        offer = {
            "partner": SHOP,
            "title": "Книгомир: книги и тетради",
            "basis_points": 500,
            "from_on": f"{today - timedelta(days=30)}",
            "to_on": f"{today + timedelta(days=300)}",
            "min_basket": 50_000,
        }
        self.campaign = self.ask("POST", "cashback", "/v1/campaigns", self.centre(), json=offer)["campaign_id"]

    def _organisation(self, kind: str, name: str, parent: str | None, **more: Any) -> str:
        body = {"code": uuid.uuid4().hex[:10], "kind": kind, "name": name, "parent_id": parent, **more}
        return str(self.ask("POST", "registry", "/v1/organisations", self.centre(), json=body)["organisation_id"])

    def member(
        self, last_name: str, first_name: str, consents: tuple[str, ...] = ("membership", "cards", "bonus")
    ) -> Person:
        """A member of the school, in the records for some years."""
        body = {
            "organisation_id": self.school,
            "last_name": last_name,
            "first_name": first_name,
            "patronymic": "Ивановна",
            "birth_date": "1984-04-12",
            "sex": "female",
            "category": "working",
            "phone": "+79131234567",
            "consents": list(consents),
            "protocol_number": "12",
            "seniority_from": "2015-09-01",
            "namesake_confirmed": True,
        }
        made = self.ask("POST", "registry", "/v1/members", self.centre(), json=body)
        return Person(made["member_id"], last_name, first_name)

    def card(self, person: Person) -> dict[str, Any]:
        """The member's live virtual card, when it is there."""

        def issued() -> Any:
            cards = self.ask("GET", "cards", "/v1/cards", self.own(person))["items"]
            return next((card for card in cards if card["status"] == "active"), None)

        card: dict[str, Any] = eventually(issued, "the card")
        return card

    def shopper(self, person: Person) -> None:
        """In the programme; one purchase confirmed and one that waits."""
        token, today = self.own(person), datetime.now(UTC).date().isoformat()
        self.card(person)

        def enrolled() -> bool:
            try:
                self.ask("POST", "cashback", "/v1/participants", token, json={"effective_on": today})
            except AssertionError as refusal:
                if "missing" in str(refusal) or "not_a_member" in str(refusal):
                    return False
                raise
            return True

        eventually(enrolled, "a participant")
        for order, amount in (("КМ-1001", 250_000), ("КМ-1002", 99_900)):
            click = self.ask("POST", "cashback", "/v1/clicks", token, json={"campaign_id": self.campaign})
            report = {
                "order": order,
                "click_id": click["click_id"],
                "amount": amount,
                "purchased_at": datetime.now(UTC).isoformat(),
            }
            made = self.ask("POST", "cashback", "/v1/purchases", self.shop(), json=report)
            if order == "КМ-1001":
                path = f"/v1/purchases/{made['purchase_id']}/confirm"
                self.ask("POST", "cashback", path, self.shop(), json={"effective_on": today})
