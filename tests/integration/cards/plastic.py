"""The plastic line as its people see it: staff who order, an office that approves, a factory that answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from common import checked_files
from common.testing import Client, TestIssuer
from tests.receiver import Receiver

if TYPE_CHECKING:
    from tests.integration.cards.conftest import Region


class Factory(Receiver):
    """Opens what is encrypted for its key and answers with files of its own."""

    def answer(self, reference: str, number: int, answers: Sequence[tuple[str, str]]) -> bytes:
        lines = [["R", serial, word, ""] for serial, word in answers]
        return checked_files.written("1", [reference, str(number)], lines)[0]


@dataclass
class PlasticLine:
    """Every step fails loudly when the API refuses; `post` gives the refusal itself."""

    client: Client
    issuer: TestIssuer
    region: "Region"
    factory: Factory

    def __post_init__(self) -> None:
        self.staff = self.issuer.bearer("territorial_staff", sub="staff", organisation_id=self.region.territory)
        self.office = self.issuer.bearer("regional_staff", sub="office", organisation_id=self.region.region)

    async def post(self, batch: dict[str, Any], step: str, who: dict[str, str], **more: Any) -> httpx.Response:
        return await self.client.post(f"/v1/plastic-batches/{batch['batch_id']}/{step}", headers=who, **more)

    async def ordered(self, organisation_id: UUID, *members: UUID) -> dict[str, Any]:
        answer = await self.order(organisation_id, *members)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def order(self, organisation_id: UUID, *members: UUID) -> httpx.Response:
        named = {"member_ids": [str(member) for member in members]} if members else {}
        body = {"organisation_id": str(organisation_id), **named}
        return await self.client.post("/v1/plastic-batches", json=body, headers=self.staff)

    async def sent(self, organisation_id: UUID, *members: UUID) -> dict[str, Any]:
        """Ordered, approved by another, sent."""
        batch = await self.ordered(organisation_id, *members)
        for step in ("approve", "send"):
            batch = done(await self.post(batch, step, self.office))
        return batch

    async def answered(
        self, batch: dict[str, Any], number: int, answers: Sequence[tuple[str, str]]
    ) -> dict[str, Any]:
        return done(await self.answer(batch, self.factory.answer(batch["reference"], number, answers)))

    async def answer(self, batch: dict[str, Any], content: bytes) -> httpx.Response:
        who = {**self.office, "Content-Type": "text/csv"}
        return await self.post(batch, "factory-responses", who, content=content)

    async def pieces(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        address = f"/v1/plastic-batches/{batch['batch_id']}/cards"
        return list(done(await self.client.get(address, headers=self.office))["items"])

    async def dispatched(self, organisation_id: UUID, *members: UUID) -> dict[str, Any]:
        batch = await self.sent(organisation_id, *members)
        serials = [piece["serial"] for piece in await self.pieces(batch)]
        words = [(serial, word) for word in ("produced", "dispatched") for serial in serials]
        return await self.answered(batch, 1, words)

    async def handed_over(self, organisation_id: UUID, *members: UUID) -> dict[str, Any]:
        batch = await self.dispatched(organisation_id, *members)
        done(await self.post(batch, "delivered", self.staff, json={}))
        return done(await self.post(batch, "hand-over", self.staff, json={"receipt": "list 7"}))

    async def report(self, batch: dict[str, Any]) -> dict[str, Any]:
        address = f"/v1/plastic-batches/{batch['batch_id']}/reconciliation"
        return done(await self.client.get(address, headers=self.office))


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
