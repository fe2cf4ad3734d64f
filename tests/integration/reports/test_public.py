"""What everybody may read: accepted reports, without small cells."""

from datetime import date
from typing import Any

from common.testing import Client, TestIssuer
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.offices import AS_OF, Office
from tests.integration.reports.test_revisions import Small, run


async def test_only_accepted_reports_are_public_and_small_cells_are_not(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    big, small = Small(), Small()
    root = big.history.organisation("federal")
    for union in (big, small):
        union.history.move(union.region, root, date(2015, 1, 1))
    for category, count in (("working", 30), ("student", 25), ("pensioner", 20), (None, 15)):
        for _ in range(count):
            big.history.member(big.school, category=category)
            big.history.member(small.school, category=category)
    for union in (big, small):
        await deliver_all(union.history.records())
    await run(client, issuer.bearer("federal_staff"))
    assert (await client.get("/v1/public/statistics", params={"as_of": AS_OF})).json()["regions"] == []
    for union in (big, small):
        office = Office(client, issuer, union)
        for organisation, chair, above in (
            (union.school, office.school, office.territorial),
            (union.territorial, office.territorial, office.region),
            (union.region, office.region, office.federal),
        ):
            assert (await office.step("sign", organisation, chair)).status_code == 200
            assert (await office.step("accept", organisation, above)).status_code == 200
    shown = (await client.get("/v1/public/statistics")).json()
    assert (shown["as_of"], len(shown["regions"])) == (AS_OF, 2)
    assert {region["working"] for region in shown["regions"]} == {32}
    assert shown["total"] == {"working": 64, "student": 50, "pensioner": 40, "not_given": 30, "members": 184}


async def test_a_small_region_is_hidden_with_what_would_betray_it(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    small = Small()
    await deliver_all(small.history.records())
    office = Office(client, issuer, small)
    await run(client, office.federal)
    for organisation, chair, above in (
        (small.school, office.school, office.territorial),
        (small.territorial, office.territorial, office.region),
        (small.region, office.region, office.federal),
    ):
        await office.step("sign", organisation, chair)
        await office.step("accept", organisation, above)
    shown: Any = (await client.get("/v1/public/statistics")).json()
    figures = ("working", "student", "pensioner", "not_given", "members")
    assert [[line[name] for name in figures] for line in (*shown["regions"], shown["total"])] == [[None] * 5] * 2
    assert shown["threshold"] == 10
