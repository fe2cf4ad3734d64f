"""Every route × role × own or foreign organisation."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from common.auth import STAFF, Role
from common.testing import Client, TestIssuer
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.test_revisions import Small

READERS = {*STAFF, Role.AUDITOR, Role.INTERNAL_APP}
FORMERS = {Role.FEDERAL_STAFF, Role.REGIONAL_STAFF}
DECIDERS = {*FORMERS, Role.TERRITORIAL_STAFF}

Told = Callable[[Any, Small], bool]
"""Whether an answer tells of the region."""


def _lists(answer: Any, region: Small) -> bool:
    ids = {str(node) for node in (region.region, region.territorial, region.school)}
    return bool({item.get("organisation_id") for item in answer["items"]} & ids)


ROUTES: dict[tuple[str, str], tuple[set[Role], Told]] = {
    ("POST", "/v1/report-runs"): (FORMERS, lambda answer, _: answer["organisations"] == 3),
    ("GET", "/v1/reports"): (READERS, _lists),
    ("GET", "/v1/reports/{report_id}"): (READERS, lambda _answer, _region: True),
    ("GET", "/v1/reports/{report_id}/xlsx"): (READERS, lambda _answer, _region: True),
    ("GET", "/v1/member-counts"): (READERS, _lists),
    ("GET", "/v1/member-counts/buckets"): (READERS, lambda answer, _: answer["items"][0]["members"] == 2),
    ("GET", "/v1/member-counts/buckets/{bucket}"): (READERS, _lists),
    ("GET", "/v1/agreement"): (READERS, lambda answer, _: answer["drift"] == 0),
    ("GET", "/v1/agreement/differences"): (READERS, lambda answer, _: answer["items"] == []),
    ("GET", "/v1/statistics"): (READERS, lambda answer, _: answer["indicators"]["members"] == 2),
    ("GET", "/v1/headline"): (READERS, lambda answer, _: answer["members"]["total"] > 0),
    ("GET", "/v1/forms"): (READERS, lambda _answer, _region: True),
    ("GET", "/v1/indicators"): (READERS, lambda _answer, _region: True),
}
OPEN = {"/v1/forms", "/v1/indicators", "/v1/agreement", "/v1/agreement/differences"}
"""They tell of no organisation here; what the last two cut, test_agreement shows."""
FILING: dict[tuple[str, str], set[Role]] = {
    ("PUT", "/v1/reports/{report_id}/declared"): set(STAFF),
    ("POST", "/v1/reports/{report_id}/sign"): set(STAFF),
    ("POST", "/v1/reports/{report_id}/accept"): DECIDERS,
    ("POST", "/v1/reports/{report_id}/return"): DECIDERS,
    ("POST", "/v1/reports/{report_id}/lock"): DECIDERS,
    ("POST", "/v1/reports/{report_id}/reopen"): DECIDERS,
    ("POST", "/v1/report-decisions"): DECIDERS,
}
"""What they refuse besides is in test_filing."""
INSIGHT: set[tuple[str, str]] = {
    ("GET", "/v1/reports/{report_id}/differences"),
    ("GET", "/v1/reports/{report_id}/rows/{row}"),
    ("GET", "/v1/organisations/{organisation_id}/blockers"),
    ("GET", "/v1/organisations/{organisation_id}/cockpit"),
    ("GET", "/v1/organisations/{organisation_id}/figures/{indicator}"),
    ("GET", "/v1/organisations/{organisation_id}/figures/{indicator}/behind"),
    ("GET", "/v1/organisations/{organisation_id}/changes/{indicator}"),
    ("GET", "/v1/organisations/{organisation_id}/changes/{indicator}/behind"),
    ("GET", "/v1/organisations/{organisation_id}/charts/{name}"),
    ("POST", "/v1/organisations/{organisation_id}/archives"),
}
OF_THE_WHOLE = {("POST", "/v1/agreement/runs")}
"""Of no organisation; walked in test_agreement."""
PUBLIC = {("GET", "/v1/public/statistics"), ("GET", "/v1/public/charts/members")}
JOBS = {("GET", f"/v1/jobs{rest}") for rest in ("", "/{job_id}", "/{job_id}/files/{file}")}
"""The kernel's: who asked sees them, and federal staff."""


async def call(client: Client, method: str, path: str, region: Small, report: str, headers: dict[str, str]) -> Any:
    address = path.replace("{report_id}", report).replace("{bucket}", region.school.hex[-2:])
    if method == "POST":
        return await client.post(address, json={"as_of": "2021-01-01"}, headers=headers)
    wanted = {"organisation_id": str(region.school), "as_of": "2021-01-01"}
    return await client.get(address, params=wanted if "statistics" in path else {}, headers=headers)


def test_the_walk_knows_every_route(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert routes == {*ROUTES, *FILING, *INSIGHT, *PUBLIC, *JOBS, *OF_THE_WHOLE}


@pytest.fixture
async def told(client: Client, issuer: TestIssuer, deliver_all: DeliverAll) -> tuple[Small, Small, str]:
    """Our region, a foreign one, and a report of ours."""
    ours, theirs = Small(), Small()
    await deliver_all([*ours.history.records(), *theirs.history.records()])
    ours_alone = issuer.bearer("regional_staff", organisation_id=ours.region)
    await client.post("/v1/report-runs", json={"as_of": "2021-01-01"}, headers=ours_alone)
    wanted = {"organisation_id": str(ours.school)}
    items = (await client.get("/v1/reports", params=wanted, headers=ours_alone)).json()["items"]
    return ours, theirs, items[0]["report_id"]


async def test_each_route_answers_each_role_for_its_own_organisations_alone(
    client: Client, issuer: TestIssuer, told: tuple[Small, Small, str]
) -> None:
    ours, theirs, report = told
    one_region = {"primary": 1, "regional": 1, "territorial": 1}
    scopes: list[tuple[UUID | None, bool]] = [(ours.region, True), (theirs.region, False)]
    for (method, path), (allowed, tells) in ROUTES.items():
        assert (await call(client, method, path, ours, report, {})).status_code == 401
        for role in Role:
            for organisation, own in scopes:
                headers = issuer.bearer(role.value, organisation_id=organisation, sub=f"{role}-{own}")
                answer = await call(client, method, path, ours, report, headers)
                where = (method, path, role, own)
                if role not in allowed:
                    assert answer.status_code == 403, where
                elif own or path in OPEN:
                    assert answer.status_code in (200, 201), where
                    is_json = answer.headers["content-type"] == "application/json"
                    assert tells(answer.json() if is_json else None, ours), where
                elif "{report_id}" in path or path == "/v1/statistics":
                    assert answer.status_code == 404, where
                elif path == "/v1/headline":
                    assert answer.json()["organisations"] == one_region, where
                elif method == "POST":
                    assert answer.json()["organisations"] == 3, where
                else:
                    assert not _lists(answer.json(), ours), where
                    assert path != "/v1/member-counts/buckets" or answer.json()["unsent"] is None


async def test_a_role_with_no_organisation_sees_everything_or_nothing(
    client: Client, issuer: TestIssuer, told: tuple[Small, Small, str]
) -> None:
    ours, theirs, _ = told
    for role in READERS:
        answer = await client.get("/v1/member-counts", headers=issuer.bearer(role.value))
        seen = {UUID(item["organisation_id"]) for item in answer.json()["items"]}
        whole = role in (Role.FEDERAL_STAFF, Role.AUDITOR, Role.INTERNAL_APP)
        assert seen == ({ours.school, theirs.school} if whole else set()), role


async def test_member_counts_are_paged_by_organisation(
    client: Client, issuer: TestIssuer, told: tuple[Small, Small, str]
) -> None:
    ours, theirs, _ = told
    headers = issuer.bearer("internal_app")
    first = (await client.get("/v1/member-counts", params={"limit": 1}, headers=headers)).json()
    second = (
        await client.get("/v1/member-counts", params={"limit": 1, "cursor": first["next_cursor"]}, headers=headers)
    ).json()
    assert second["next_cursor"] is None
    assert [*first["items"], *second["items"]] == [
        {"organisation_id": str(school), "members": 2} for school in sorted((ours.school, theirs.school))
    ]


async def test_filing_and_insight_answer_each_role_for_its_own_organisations_alone(
    client: Client, issuer: TestIssuer, told: tuple[Small, Small, str]
) -> None:
    ours, theirs, report = told
    walk = [*FILING.items(), *((route, READERS) for route in INSIGHT)]
    bodies: dict[str, Any] = {
        "declared": {"figures": {"students": 1}},
        "archives": {"as_of": "2021-01-01"},
        "return": {"reason": "проверка"},
        "reopen": {"reason": "проверка"},
        "report-decisions": {
            "decision": "accept",
            "organisation_id": str(ours.school),
            "as_of": "2021-01-01",
        },
    }
    wanted = {
        "as_of": "2021-01-01",
        "since": "2020-01-01",
        "until": "2021-01-01",
        "step": "happened",
        "cause": "left",
    }
    for (method, path), allowed in walk:
        address = path.format(
            report_id=report, organisation_id=ours.school, indicator="members", row="01", name="heat"
        )
        last = path.rsplit("/", 1)[1]

        async def ask(
            headers: dict[str, str], method: str = method, address: str = address, last: str = last
        ) -> Any:
            if method == "GET":
                return await client.get(address, params=wanted, headers=headers)
            send = client.post if method == "POST" else client.put
            return await send(address, json=bodies.get(last), headers=headers)

        assert (await ask({})).status_code == 401, path
        for role in Role:
            for organisation, own in ((ours.region, True), (theirs.region, False)):
                answer = await ask(issuer.bearer(role.value, organisation_id=organisation, sub=f"{role}-{own}"))
                where = (method, path, role, own, answer.text[:200])
                if role not in allowed:
                    assert answer.status_code == 403, where
                elif not own:
                    assert answer.status_code == 404, where
                elif method == "GET":
                    assert answer.status_code == 200, where
                else:
                    assert answer.status_code in (200, 201, 202, 403, 409, 428), where
                    assert answer.status_code != 403 or answer.json()["code"] == "not_the_chair", where


async def test_what_is_public_tells_everybody_the_same(client: Client, told: tuple[Small, Small, str]) -> None:
    answer = await client.get("/v1/public/statistics")
    assert (answer.status_code, answer.json()["regions"]) == (200, [])
