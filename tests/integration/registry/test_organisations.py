"""The tree of organisations through its API."""

from typing import Any

from common.events.registry import (
    OrganisationChanged,
    OrganisationClosed,
    OrganisationCreated,
    OrganisationMoved,
    OrganisationRenamed,
)


async def test_an_organisation_is_created_read_and_told_of(world: Any, done: Any, published: Any) -> None:
    view = await world.client.get(f"/v1/organisations/{world.school}", headers=world.federal)
    assert view.headers["etag"] == '"1"'
    body = done(view)
    assert body["parent_id"] == str(world.town)
    assert (body["status"], body["employed"], body["opened_on"]) == ("active", 40, "2020-01-01")
    events = await published(OrganisationCreated)
    assert [event.version for event in events] == [1] * 6
    assert {event.organisation_id for event in events} == set(world.organisations.values())


async def test_names_are_found_whatever_their_quotes_numbers_and_yo(world: Any, done: Any) -> None:
    async def found(text: str) -> set[str]:
        page = await world.client.get("/v1/organisations", params={"q": text}, headers=world.federal)
        return {item["organisation_id"] for item in done(page)["items"]}

    for text in ("березовская сош 2", 'МБОУ "Берёзовская СОШ №2"', "БЕРЕЗОВ 2", "C4"):
        assert await found(text) == {str(world.school)}, text
    assert await found("сош 12") == {str(world.other)}
    assert await found("сош 1") == set()
    assert await found("«»") == set()


async def test_the_public_search_tells_id_name_and_parent_of_what_takes_members(world: Any, done: Any) -> None:
    page = done(await world.client.get("/v1/public/organisations", params={"q": "сош"}))
    assert page == {
        "items": [
            {
                "organisation_id": str(world.school),
                "name": "ППО МБОУ «Берёзовская СОШ № 2»",
                "institution_type": "school",
                "parent_name": "Тарская районная организация",
            },
            {
                "organisation_id": str(world.other),
                "name": "ППО МБОУ «СОШ № 12»",
                "institution_type": None,
                "parent_name": "Тарская районная организация",
            },
        ],
        "next_cursor": None,
    }
    assert done(await world.client.get("/v1/public/organisations", params={"q": "организация"}))["items"] == []


async def test_lists_are_paged_and_filtered(world: Any, done: Any) -> None:
    seen, cursor = [], None
    while True:
        params = {"limit": 4, **({"cursor": cursor} if cursor else {})}
        page = done(await world.client.get("/v1/organisations", params=params, headers=world.federal))
        seen += [item["organisation_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(key) for key in sorted(world.organisations.values())]
    params = {"parent_id": str(world.town), "kind": "primary"}
    page = done(await world.client.get("/v1/organisations", params=params, headers=world.federal))
    assert {item["organisation_id"] for item in page["items"]} == {str(world.school), str(world.other)}


async def test_a_change_needs_the_version_that_was_read(
    world: Any, done: Any, refused: Any, published: Any
) -> None:
    path = f"/v1/organisations/{world.school}"
    change = {"employed": 55, "effective_on": "2021-05-01"}
    refused(await world.client.patch(path, json=change, headers=world.federal), 428, "if_match_required")
    stale = {**world.federal, "If-Match": '"9"'}
    refused(await world.client.patch(path, json=change, headers=stale), 412, "version_conflict")
    changed = await world.patch(path, change)
    assert (done(changed)["employed"], changed.headers["etag"]) == (55, '"2"')
    renamed = done(await world.patch(path, {"name": "ППО Гимназии № 2", "effective_on": "2021-06-01"}))
    assert renamed["name"] == "ППО Гимназии № 2"
    same = done(await world.patch(path, {"employed": 55, "name": None}))
    assert same["version"] == 3
    assert [event.employed for event in await published(OrganisationChanged)] == [55]
    assert [event.name for event in await published(OrganisationRenamed)] == ["ППО Гимназии № 2"]


async def test_the_tree_is_read_as_of_any_day(world: Any, done: Any, refused: Any) -> None:
    path = f"/v1/organisations/{world.school}"
    done(await world.patch(path, {"name": "Новая", "employed": 1, "effective_on": "2021-06-01"}))
    move = {"parent_id": str(world.region), "effective_on": "2021-09-01", "reason": "Слияние районов"}
    done(await world.client.post(f"{path}/move", json=move, headers=world.federal))

    async def as_of(day: str) -> tuple[Any, ...]:
        body = done(await world.client.get(path, params={"as_of": day}, headers=world.federal))
        return body["name"], body["employed"], body["parent_id"]

    assert await as_of("2021-05-31") == ("ППО МБОУ «Берёзовская СОШ № 2»", 40, str(world.town))
    assert await as_of("2021-06-01") == ("Новая", 1, str(world.town))
    assert await as_of("2021-09-01") == ("Новая", 1, str(world.region))
    refused(await world.client.get(path, params={"as_of": "2019-12-31"}, headers=world.federal), 404, "not_found")
    params = {"as_of": "2021-05-31", "parent_id": str(world.town), "q": "березовская"}
    page = done(await world.client.get("/v1/organisations", params=params, headers=world.federal))
    assert [item["organisation_id"] for item in page["items"]] == [str(world.school)]


async def test_what_breaks_the_tree_is_refused(world: Any, refused: Any, done: Any) -> None:
    async def create(**fields: Any) -> Any:
        body = {"kind": "primary", "code": "X1", "name": "Н", "parent_id": str(world.town), **fields}
        return await world.client.post("/v1/organisations", json=body, headers=world.federal)

    refused(await create(parent_id=str(world.school)), 409, "placement_refused")
    refused(await create(parent_id=None), 409, "placement_refused")
    refused(await create(kind="federal", parent_id=None), 409, "root_exists")
    refused(await create(code="C4"), 409, "organisation_code_taken")
    refused(await create(effective_on="2019-12-31"), 409, "parent_not_active")
    refused(await create(effective_on="2199-01-01"), 422, "date_out_of_range")
    refused(await create(effective_on="1899-12-31"), 422, "request_invalid")
    refused(await create(shape="round"), 422, "request_invalid")
    unit = await world.organisation("structural_unit", world.university)
    below = await world.organisation("structural_unit", unit)
    move = {"parent_id": str(below), "effective_on": "2021-01-01", "reason": "Опечатка"}
    refused(
        await world.client.post(f"/v1/organisations/{unit}/move", json=move, headers=world.federal),
        409,
        "organisation_cycle",
    )


async def test_a_cycle_on_days_past_is_refused_too(world: Any, refused: Any, done: Any) -> None:
    """B stood under A from the 10th to the 20th: A cannot have been under B on the 15th."""
    a = await world.organisation("structural_unit", world.university)
    b = await world.organisation("structural_unit", world.university)

    async def move(moved: Any, parent: Any, day: str) -> Any:
        body = {"parent_id": str(parent), "effective_on": day, "reason": "Перестройка"}
        return await world.client.post(f"/v1/organisations/{moved}/move", json=body, headers=world.federal)

    done(await move(b, a, "2021-03-10"))
    done(await move(b, world.university, "2021-03-20"))
    refused(await move(a, b, "2021-03-15"), 409, "organisation_cycle")
    done(await move(a, b, "2021-03-20"))


async def test_a_move_is_told_with_its_day(world: Any, done: Any, refused: Any, published: Any) -> None:
    move = {"parent_id": str(world.region), "effective_on": "2021-04-01", "reason": "Прямое подчинение"}
    path = f"/v1/organisations/{world.school}/move"
    done(await world.client.post(path, json=move, headers=world.federal))
    (event,) = await published(OrganisationMoved)
    assert (event.parent_id, str(event.effective_on), event.version) == (world.region, "2021-04-01", 2)
    earlier = {**move, "parent_id": str(world.town), "effective_on": "2021-03-31"}
    refused(await world.client.post(path, json=earlier, headers=world.federal), 409, "earlier_than_last_change")


async def test_only_what_is_empty_can_be_closed(world: Any, done: Any, refused: Any, published: Any) -> None:
    async def close(organisation: Any, day: str = "2021-08-01") -> Any:
        body = {"effective_on": day, "reason": "Ликвидация"}
        return await world.client.post(f"/v1/organisations/{organisation}/close", json=body, headers=world.federal)

    refused(await close(world.town), 409, "organisation_in_use")
    member = await world.member(world.school)
    refused(await close(world.school), 409, "organisation_in_use")
    leave = {"effective_on": "2021-08-15"}
    done(await world.client.post(f"/v1/members/{member}/leave", json=leave, headers=world.federal))
    refused(await close(world.school), 409, "organisation_in_use")
    body = done(await close(world.school, "2021-08-15"))
    assert (body["status"], body["closed_on"]) == ("closed", "2021-08-15")
    (event,) = await published(OrganisationClosed)
    assert event.status == "closed"
    refused(await close(world.school), 409, "organisation_closed")
    before = await world.client.get(
        f"/v1/organisations/{world.school}", params={"as_of": "2021-08-14"}, headers=world.federal
    )
    assert (done(before)["status"], done(before)["closed_on"]) == ("active", None)
    refused(
        await world.client.post("/v1/applications", json=world.application(world.school)),
        409,
        "organisation_closed",
    )


async def test_staff_shape_the_tree_below_them_only(world: Any, refused: Any, done: Any) -> None:
    town = world.staff("territorial_staff", world.town)
    body = {"kind": "primary", "code": "N1", "name": "Новая", "parent_id": str(world.town)}
    done(await world.client.post("/v1/organisations", json=body, headers=town), 201)
    reason = {"reason": "Нет"}
    refused(
        await world.client.post(f"/v1/organisations/{world.town}/close", json=reason, headers=town),
        403,
        "own_organisation",
    )
    move = {"parent_id": str(world.region), "reason": "Наверх"}
    refused(
        await world.client.post(f"/v1/organisations/{world.school}/move", json=move, headers=town),
        404,
        "not_found",
    )
    root = {**body, "kind": "federal", "code": "N2", "parent_id": None}
    refused(await world.client.post("/v1/organisations", json=root, headers=town), 409, "placement_refused")


async def test_counts_are_of_active_members(world: Any, done: Any) -> None:
    for _ in range(2):
        await world.member(world.school)
    gone = await world.member(world.other)
    await world.member(world.university, category="student")
    done(
        await world.client.post(
            f"/v1/members/{gone}/leave", json={"effective_on": "2021-03-01"}, headers=world.federal
        )
    )
    counts = done(await world.client.get("/v1/member-counts", headers=world.federal))
    assert counts == {
        "items": [
            {"organisation_id": str(world.school), "members": 2},
            {"organisation_id": str(world.university), "members": 1},
        ],
        "next_cursor": None,
    }
    params = {"organisation_id": str(world.other)}
    one = done(await world.client.get("/v1/member-counts", params=params, headers=world.federal))
    assert one["items"] == [{"organisation_id": str(world.other), "members": 0}]
    headline = done(await world.client.get("/v1/headline", headers=world.federal))
    assert headline == {
        "organisations": {
            "federal": 1,
            "regional": 1,
            "territorial": 1,
            "primary": 2,
            "primary_with_territorial_rights": 1,
        },
        "members": {"working": 2, "student": 1, "pensioner": 0, "not_given": 0, "total": 3},
        "online_joins": 4,
    }
