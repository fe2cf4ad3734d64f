"""Who imports, and where to: staff alone, each into their own subtree."""

from typing import Any

from fastapi import FastAPI

from common.auth import Role
from tests.integration.registry.uploads import REGISTER, Work, look, rows, upload


async def test_an_office_imports_into_its_own_subtree_alone(world: Any, work: Work) -> None:
    school = world.staff("primary_staff", world.school)
    made = await upload(world, school)
    await work()
    outcomes = await rows(world, made, school)
    assert outcomes[-1] == (6, "rejected", "organisation_unknown", None)
    assert [outcome for _, outcome, _, _ in outcomes].count("accepted") == 2
    for foreign in (world.staff("primary_staff", world.other), world.staff("territorial_staff", world.university)):
        answer = await world.client.get(f"/v1/imports/{made['import_id']}", headers=foreign)
        assert answer.status_code == 404
        listed = await world.client.get("/v1/imports", headers=foreign)
        assert listed.json()["items"] == []
        refused = await world.client.post(
            "/v1/imports",
            files=[("files", ("a.csv", REGISTER))],
            data={"as_of": "2021-01-01", "organisation_id": str(world.school)},
            headers=foreign,
        )
        assert refused.status_code == 404
    above = world.staff("territorial_staff", world.town)
    assert (await look(world, made, above))["organisation_id"] == str(world.school)


ROUTES = (
    "GET /v1/imports",
    "POST /v1/imports",
    "GET /v1/imports/{import_id}",
    "PATCH /v1/imports/{import_id}",
    "POST /v1/imports/{import_id}/commit",
    "POST /v1/imports/{import_id}/rollback",
    "GET /v1/imports/{import_id}/rows",
    "GET /v1/imports/{import_id}/files/{number}/annotated",
)


async def call(world: Any, route: str, import_id: str, headers: dict[str, str], office: str | None = None) -> Any:
    method, path = route.split(" ")
    path = path.replace("{import_id}", import_id).replace("{number}", "1")
    if route == "POST /v1/imports":
        form = {"as_of": "2021-01-01", **({"organisation_id": office} if office else {})}
        return await world.client.post(path, files=[("files", ("a.csv", REGISTER))], data=form, headers=headers)
    if method == "POST":
        return await world.client.post(path, headers=headers)
    body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
    return await world.client.request(method, path, headers={**headers, "If-Match": '"2"'}, **body)


def test_every_route_of_imports_is_walked(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    made = {f"{m.upper()} {path}" for path, ways in paths.items() for m in ways if path.startswith("/v1/imports")}
    assert made == set(ROUTES)


async def test_staff_alone_import_and_each_into_their_own_part(world: Any, work: Work) -> None:
    own = {
        Role.FEDERAL_STAFF: None,
        Role.REGIONAL_STAFF: world.region,
        Role.TERRITORIAL_STAFF: world.town,
        Role.PRIMARY_STAFF: world.school,
    }
    for route in ROUTES:
        # other bytes each time: a file that is in is not read again
        content = REGISTER + b"\r\n" * ROUTES.index(route)
        made = await upload(world, world.federal, content, organisation_id=str(world.school))
        await work()
        if route.endswith("/rollback"):
            await world.client.post(f"/v1/imports/{made['import_id']}/commit", headers=world.federal)
            await work()
        key = made["import_id"]
        assert (await call(world, route, key, {})).status_code == 401
        for role in set(Role) - set(own):
            answer = await call(world, route, key, world.issuer.bearer(role, organisation_id=world.school))
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (route, role)
        for role in own:
            foreign = world.staff(role, world.university) if role != Role.FEDERAL_STAFF else None
            if foreign and route == "GET /v1/imports":
                assert key not in (await call(world, route, key, foreign)).text
            elif foreign:
                answer = await call(world, route, key, foreign, str(world.school))
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (route, role)
        last, organisation = list(own.items())[ROUTES.index(route) % 4]
        answer = await call(world, route, key, world.staff(last, organisation), str(world.school))
        assert answer.status_code in (200, 202), (route, last, answer.text)
