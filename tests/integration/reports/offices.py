"""The chairs and the staff of one small union, at work on its reports."""

from datetime import date
from typing import Any
from uuid import UUID

import httpx

from common.testing import Client, TestIssuer
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.test_revisions import Small, run

AS_OF = "2021-01-01"


class Office:
    """Calls the API as the chairs and the staff of one small union."""

    def __init__(self, client: Client, issuer: TestIssuer, small: Small) -> None:
        self.client, self.small = client, small
        self.federal = issuer.bearer("federal_staff", sub="federal")
        self.region = issuer.bearer("regional_staff", organisation_id=small.region, sub="region")
        self.territorial = issuer.bearer("territorial_staff", organisation_id=small.territorial, sub="territorial")
        self.school = issuer.bearer("primary_staff", organisation_id=small.school, sub="chair")

    async def report(self, organisation_id: UUID) -> Any:
        wanted = {"organisation_id": str(organisation_id), "as_of": AS_OF}
        [item] = (await self.client.get("/v1/reports", params=wanted, headers=self.federal)).json()["items"]
        return (await self.client.get(f"/v1/reports/{item['report_id']}", headers=self.federal)).json()

    async def step(
        self, name: str, organisation_id: UUID, headers: dict[str, str], version: int | None = None, **body: Any
    ) -> httpx.Response:
        report = await self.report(organisation_id)
        match = {"If-Match": f'"{version or report["version"]}"'}
        address = f"/v1/reports/{report['report_id']}/{name}"
        return await self.client.post(address, json=body or None, headers={**headers, **match})

    async def declare(
        self, organisation_id: UUID, headers: dict[str, str], **figures: int | None
    ) -> httpx.Response:
        report = await self.report(organisation_id)
        return await self.client.put(
            f"/v1/reports/{report['report_id']}/declared",
            json={"figures": figures},
            headers={**headers, "If-Match": f'"{report["version"]}"'},
        )


async def settled(client: Client, issuer: TestIssuer, deliver_all: DeliverAll) -> Office:
    """The office of a new union, whose first reports are formed."""
    small = Small()
    root = small.history.organisation("federal")
    small.history.move(small.region, root, date(2015, 1, 1))
    await deliver_all(small.history.records())
    office = Office(client, issuer, small)
    await run(client, office.federal)
    return office


def row(report: Any, formula: str) -> Any:
    return next(row for row in report["rows"] if row["formula"] == formula)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
