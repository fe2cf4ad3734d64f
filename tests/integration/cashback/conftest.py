"""The cashback service under test, and a small world: organisations, members, a partner, a campaign."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from cashback import audit, keys
from cashback.main import service as cashback
from common.app import Service
from common.db import Database
from common.events.cards import CardIssued
from common.events.registry import ConsentWithdrawn, MemberAdmitted, MemberEvent, MemberLeft, OrganisationCreated
from common.testing import Client, TestIssuer
from tests.receiver import Receiver

PARTNER = "books"


@pytest.fixture
def service() -> Service:
    return cashback


@pytest.fixture(scope="session")
def bank() -> Receiver:
    return Receiver()


@pytest.fixture
def extra_settings(tmp_path: Path, bank: Receiver) -> dict[str, Any]:
    files = keys.ensure(tmp_path)
    certificate = tmp_path / "bank.pem"
    certificate.write_bytes(bank.pem())
    return {
        "bank_certificate_file": certificate,
        "pairwise_key_file": files["UNION_PAIRWISE_KEY_FILE"],
        "ledger_key_file": files["UNION_LEDGER_KEY_FILE"],
        "payout_minimum": 1000,
        "webhook_local_targets": True,
        "partner_topics": [PARTNER],
    }


@dataclass
class World:
    """Makes what a test needs through the events and the API, in the year 2021."""

    client: Client
    issuer: TestIssuer
    deliver: Callable[..., Awaitable[None]]

    def federal(self) -> dict[str, str]:
        return self.issuer.bearer("federal_staff", sub="federal")

    def as_member(self, member_id: UUID) -> dict[str, str]:
        return self.issuer.bearer("member", sub=str(member_id), member_id=member_id)

    def as_partner(self, partner: str = PARTNER) -> dict[str, str]:
        return self.issuer.bearer("partner", sub=f"shop-{partner}", partner=partner)

    async def organisation(self, parent_id: UUID | None = None, kind: str = "primary") -> UUID:
        organisation_id = uuid.uuid4()
        await self.deliver(
            OrganisationCreated.model_validate(
                {
                    "version": 1,
                    "effective_on": "2020-01-01",
                    "organisation_id": organisation_id,
                    "parent_id": parent_id,
                    "kind": kind,
                    "code": "1",
                    "name": "ППО школы № 1",
                    "status": "active",
                    "institution_type": None,
                    "employed": None,
                    "students": None,
                }
            )
        )
        return organisation_id

    def member_event(
        self,
        kind: type[MemberEvent],
        member_id: UUID,
        organisation_id: UUID,
        version: int,
        effective_on: str = "2020-09-01",
        status: str = "member",
        consents: tuple[str, ...] = ("bonus", "membership"),
        **more: Any,
    ) -> MemberEvent:
        return kind.model_validate(
            {
                "version": version,
                "effective_on": effective_on,
                "member_id": member_id,
                "organisation_id": organisation_id,
                "status": status,
                "category": "working",
                "sex": "female",
                "birth_year": 1980,
                "joined_on": "2010-09-01",
                "left_on": effective_on if status != "member" else None,
                "consents": consents,
                **more,
            }
        )

    async def member(
        self,
        organisation_id: UUID | None = None,
        consents: tuple[str, ...] = ("bonus", "membership"),
        card: str | None = "active",
    ) -> UUID:
        member_id = uuid.uuid4()
        await self.deliver(
            self.member_event(
                MemberAdmitted,
                member_id,
                organisation_id or uuid.uuid4(),
                1,
                consents=consents,
                origin="import",
            )
        )
        if card is not None:
            await self.deliver(
                CardIssued.model_validate(
                    {
                        "version": 1,
                        "effective_on": "2020-09-01",
                        "card_id": uuid.uuid4(),
                        "member_id": member_id,
                        "form": "virtual",
                        "status": card,
                        "reason": None,
                        "expires_on": "2030-01-01",
                    }
                )
            )
        return member_id

    async def leaves(self, member_id: UUID, on: str) -> None:
        event = self.member_event(MemberLeft, member_id, uuid.uuid4(), 2, on, "left", consents=())
        await self.deliver(event)

    async def withdraws(self, member_id: UUID, on: str, purpose: str = "bonus") -> None:
        await self.deliver(
            self.member_event(
                ConsentWithdrawn, member_id, uuid.uuid4(), 2, on, consents=("membership",), purpose=purpose
            )
        )

    async def enrol(self, member_id: UUID, on: str = "2021-01-10") -> httpx.Response:
        return await self.client.post(
            "/v1/participants", json={"effective_on": on}, headers=self.as_member(member_id)
        )

    async def participant(self, organisation_id: UUID | None = None) -> UUID:
        member_id = await self.member(organisation_id)
        assert (await self.enrol(member_id)).status_code == 201
        return member_id

    async def partner(self, partner: str = PARTNER, hold_days: int = 14, mode: str = "live") -> str:
        body = {
            "partner": partner,
            "name": "Книжный магазин",
            "hold_days": hold_days,
            "mode": mode,
            "landing_url": "https://books.example/teachers?from=union",
        }
        answer = await self.client.post("/v1/partners", json=body, headers=self.federal())
        assert answer.status_code == 201, answer.text
        return partner

    async def campaign(self, partner: str = PARTNER, **terms: Any) -> UUID:
        """5 % of every purchase in 2021, down to the kopeck, unless `terms` say otherwise."""
        body = {
            "partner": partner,
            "title": "Книги учителям",
            "from_on": "2021-01-01",
            "to_on": "2021-12-31",
            **({} if "fixed" in terms else {"basis_points": 500}),
            **terms,
        }
        answer = await self.client.post("/v1/campaigns", json=body, headers=self.federal())
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["campaign_id"])

    async def click(self, member_id: UUID, campaign_id: UUID, at: str = "2021-03-01T10:00:00+06:00") -> Any:
        """A click of the year 2021, as another system of the union recorded it."""
        return await self.client.post(
            "/v1/recorded-clicks",
            json={"member_id": str(member_id), "campaign_id": str(campaign_id), "clicked_at": at},
            headers=self.issuer.bearer("internal_app", sub="cabinet"),
        )

    async def report(
        self,
        click_id: str,
        amount: int = 100_000,
        order: str | None = None,
        at: str = "2021-03-02T10:00:00+06:00",
        partner: str = PARTNER,
        **more: Any,
    ) -> httpx.Response:
        body = {
            "click_id": click_id,
            "order": order or uuid.uuid4().hex,
            "amount": amount,
            "purchased_at": at,
            **more,
        }
        return await self.client.post("/v1/purchases", json=body, headers=self.as_partner(partner))

    async def bought(self, member_id: UUID, campaign_id: UUID, amount: int = 100_000, **more: Any) -> str:
        """A pending purchase; returns its id."""
        click = await self.click(member_id, campaign_id)
        assert click.status_code == 201, click.text
        answer = await self.report(click.json()["click_id"], amount, **more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["purchase_id"])

    async def resolve(
        self, step: str, purchase_id: str, on: str = "2021-04-01", partner: str = PARTNER, **more: Any
    ) -> httpx.Response:
        """`step` is confirm, decline or refund."""
        return await self.client.post(
            f"/v1/purchases/{purchase_id}/{step}",
            json={"effective_on": on, **more},
            headers=self.as_partner(partner),
        )

    async def earned(self, member_id: UUID, campaign_id: UUID, amount: int = 100_000) -> str:
        """A confirmed purchase; returns its id."""
        purchase_id = await self.bought(member_id, campaign_id, amount)
        assert (await self.resolve("confirm", purchase_id)).status_code == 200
        return purchase_id

    async def pay_out(self, member_id: UUID, amount: int, on: str = "2021-05-01") -> httpx.Response:
        return await self.client.post(
            "/v1/payouts", json={"amount": amount, "effective_on": on}, headers=self.as_member(member_id)
        )

    async def approve(self, payout_id: str, sub: str = "federal") -> httpx.Response:
        who = self.issuer.bearer("federal_staff", sub=sub)
        return await self.client.post(f"/v1/payouts/{payout_id}/approve", headers=who)

    async def send(self, *payout_ids: str, on: str = "2021-05-02") -> httpx.Response:
        """Approve these and put all that is approved into a file for the bank."""
        for payout_id in payout_ids:
            assert (await self.approve(payout_id)).status_code == 200
        body = {"effective_on": on}
        return await self.client.post("/v1/bank-files", json=body, headers=self.federal())

    async def sent(self, member_id: UUID, amount: int) -> str:
        """A payout that is with the bank; returns its id."""
        asked = await self.pay_out(member_id, amount)
        assert asked.status_code == 201, asked.text
        payout_id = str(asked.json()["payout_id"])
        assert (await self.send(payout_id)).status_code == 201
        return payout_id

    async def bank(self, step: str, payout_id: str, on: str = "2021-05-03", **more: Any) -> httpx.Response:
        """`step` is settle or fail."""
        return await self.client.post(
            f"/v1/payouts/{payout_id}/{step}", json={"effective_on": on, **more}, headers=self.federal()
        )

    async def balance(self, member_id: UUID) -> dict[str, int]:
        answer = await self.client.get("/v1/balance", headers=self.as_member(member_id))
        assert answer.status_code == 200, answer.text
        return {name: answer.json()[name] for name in ("pending", "available", "in_payout", "owed")}

    async def trial(self) -> dict[str, int]:
        """Sums by kind of account; the total is checked to be zero."""
        answer = await self.client.get("/v1/ledger/trial-balance", headers=self.federal())
        assert answer.json()["total"] == 0
        return {line["kind"]: line["balance"] for line in answer.json()["lines"] if line["balance"]}


@pytest.fixture(autouse=True)
async def limits_switched_off(request: pytest.FixtureRequest, database: Database) -> None:
    """The limits that are shipped, by their next version; a test that asks for `shipped_limits` keeps them."""
    if "shipped_limits" not in request.fixturenames:
        async with database.sessions.begin() as session:
            await session.execute(
                sa.text(
                    "insert into fraud_limit (limit_id, version, kind, window_seconds, most_purchases, most_cashback,"
                    " least_seconds, active, made_by, made_at) select limit_id, 2, kind, window_seconds,"
                    " most_purchases, most_cashback, least_seconds, false, 'test', now() from fraud_limit"
                )
            )


@pytest.fixture
def shipped_limits() -> None:
    """Purchases are judged by the limits that every installation begins with."""


@pytest.fixture
def world(client: Client, issuer: TestIssuer, deliver: Callable[..., Awaitable[None]]) -> World:
    return World(client, issuer, deliver)


@pytest.fixture
async def sound(database: Database) -> Any:
    """After the test, every balance must be what its postings say."""
    yield
    async with database.sessions() as session:
        assert (await audit.verify(session)).sound


def code(answer: httpx.Response) -> tuple[int, str]:
    """The status and the stable code of a refusal."""
    return answer.status_code, answer.json().get("code", "")


@pytest.fixture
def refusal() -> Callable[[httpx.Response], tuple[int, str]]:
    return code
