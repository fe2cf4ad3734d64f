"""The plastic line as its people see it: staff who order, an office that approves, a factory that answers."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from common.testing import Client, TestIssuer

if TYPE_CHECKING:
    from tests.integration.cards.conftest import Region


class Factory:
    """Opens what is encrypted for its key and answers with files of its own."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Card factory")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        day = datetime.now(UTC)
        builder = builder.serial_number(1).not_valid_before(day).not_valid_after(day + timedelta(days=365))
        self.certificate = builder.sign(self.key, hashes.SHA256())

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def open(self, sealed: bytes) -> list[list[str]]:
        """The file's lines, once its trailer is found true."""
        content = pkcs7.pkcs7_decrypt_der(sealed, self.certificate, self.key, [])
        lines = list(csv.reader(io.StringIO(content.decode()), delimiter=";"))
        trailer = content.rindex(b"T;")
        assert lines[-1] == ["T", str(len(lines) - 2), hashlib.sha256(content[:trailer]).hexdigest()]
        return lines

    def answer(self, reference: str, number: int, answers: Sequence[tuple[str, str]]) -> bytes:
        rows = [f"H;1;{reference};{number}", *(f"R;{serial};{word};" for serial, word in answers)]
        body = "".join(f"{row}\r\n" for row in rows).encode()
        return body + f"T;{len(answers)};{hashlib.sha256(body).hexdigest()}\r\n".encode()


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
