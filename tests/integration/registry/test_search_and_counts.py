"""Organisations are found as people type them; counts and head counts are those of the day that is asked about."""

from datetime import UTC, datetime
from typing import Any

import pytest

from common.events.registry import OrganisationChanged


@pytest.fixture
def found(world: Any, done: Any) -> Any:
    async def search(text: str, **params: Any) -> list[str]:
        answer = await world.client.get(
            "/v1/organisation-search", params={"q": text, **params}, headers=world.federal
        )
        return [item["name"] for item in done(answer)]

    return search


async def test_the_search_forgives_and_puts_the_likeliest_first(world: Any, found: Any) -> None:
    second = "ППО МБОУ «Берёзовская СОШ № 2»"
    twelfth = await world.organisation("primary", world.town, name="ППО МБОУ «Берёзовская СОШ №12»")
    await world.organisation("primary", world.town, name="ППО детского сада «Берёзка»")
    for text in (
        "берёзовская сош 2",
        "БЕРЕЗОВСКАЯ СОШ №2",
        "сош № 2 березовская",
        "березвская сош 2",
        "бирезовская 2",
    ):
        assert (await found(text))[:1] == [second], text
    assert twelfth
    assert await found("березовская сош 12") == ["ППО МБОУ «Берёзовская СОШ №12»"]
    assert (await found("березка"))[0] == "ППО детского сада «Берёзка»"
    assert await found("гимназия") == []
    assert await found("№ «»") == []
    assert await found("C4") == [second]


async def test_the_search_is_of_the_day_and_of_the_reach(world: Any, done: Any, found: Any) -> None:
    path = f"/v1/organisations/{world.school}"
    done(await world.patch(path, {"name": "ППО Гимназии", "effective_on": "2021-06-01"}))
    assert await found("березовская") == []
    assert len(await found("березовская", as_of="2021-05-31")) == 1
    assert await found("гимназии") == ["ППО Гимназии"]
    assert await found("гимназии", as_of="2021-05-31") == []
    foreign = world.staff("primary_staff", world.university)
    answer = await world.client.get("/v1/organisation-search", params={"q": "гимназии"}, headers=foreign)
    assert done(answer) == []
    public = done(await world.client.get("/v1/public/organisation-search", params={"q": "гимнзии"}))
    assert [item["name"] for item in public] == ["ППО Гимназии"]
    assert set(public[0]) == {"organisation_id", "name", "likeness"}
    assert done(await world.client.get("/v1/public/organisation-search", params={"q": "тарская"})) == []


async def test_the_institution_finds_its_organisation(world: Any, done: Any, found: Any) -> None:
    """Who joins knows where they work, not what the union calls it; an institution's earlier name is of its days."""
    path = f"/v1/organisations/{world.school}"
    name = "ППО МБОУ «Берёзовская СОШ № 2»"
    institution = {"institution_name": "МКУ «Дворец творчества»", "effective_on": "2021-03-01"}
    done(await world.patch(path, institution))
    for text in ("дворец творчества", "дворец творчиства", "дворец берёзовская"):
        assert await found(text) == [name], text
    assert await found("дворец", as_of="2021-02-28") == []
    for public in ("/v1/public/organisations", "/v1/public/organisation-search"):
        answer = done(await world.client.get(public, params={"q": "дворец творчества"}))
        items = answer["items"] if isinstance(answer, dict) else answer
        assert [item["name"] for item in items] == [name]
    done(await world.patch(path, {"name": "ППО Дворца", "effective_on": "2021-04-01"}))
    assert await found("творчества") == ["ППО Дворца"], "the institution stays when the name changes"


async def test_counts_of_a_day_stay(world: Any, done: Any) -> None:
    member = await world.member(world.school)
    await world.member(world.other, category="student", effective_on="2021-03-01")
    leave = {"effective_on": "2021-06-01"}
    done(await world.client.post(f"/v1/members/{member}/leave", json=leave, headers=world.federal))
    move = {"parent_id": str(world.region), "effective_on": "2021-04-01", "reason": "Прямо"}
    done(await world.client.post(f"/v1/organisations/{world.other}/move", json=move, headers=world.federal))

    async def town(**params: Any) -> tuple[int, int, int]:
        path = f"/v1/organisations/{world.town}/counts"
        body = done(await world.client.get(path, params=params, headers=world.federal))
        return body["organisations"].get("primary", 0), body["members"]["working"], body["members"]["student"]

    assert await town(as_of="2021-02-01") == (2, 1, 0)
    assert await town(as_of="2021-03-01") == (2, 1, 1)
    assert await town(as_of="2021-04-01") == (1, 1, 0)
    assert await town() == (1, 0, 0)

    async def listed(**params: Any) -> dict[str, int]:
        page = done(await world.client.get("/v1/member-counts", params=params, headers=world.federal))
        return {item["organisation_id"]: item["members"] for item in page["items"]}

    assert await listed(as_of="2021-05-31") == {str(world.school): 1, str(world.other): 1}
    assert await listed() == {str(world.other): 1}
    assert await listed(as_of="2021-01-31", organisation_id=str(world.school)) == {str(world.school): 0}
    headline = done(await world.client.get("/v1/headline", params={"as_of": "2021-05-31"}, headers=world.federal))
    assert (headline["members"]["total"], headline["organisations"]["primary"], headline["online_joins"]) == (
        2,
        2,
        2,
    )
    params = {"as_of": "2021-03-31", "under": str(world.town)}
    page = done(await world.client.get("/v1/organisations", params=params, headers=world.federal))
    assert {item["organisation_id"] for item in page["items"]} == {
        str(world.town),
        str(world.school),
        str(world.other),
    }
    newest = {"under": str(world.town), "status": "active"}
    page = done(await world.client.get("/v1/organisations", params=newest, headers=world.federal))
    assert {item["organisation_id"] for item in page["items"]} == {str(world.town), str(world.school)}


async def test_head_counts_are_dated_rows_with_their_corrections(
    world: Any, done: Any, refused: Any, published: Any
) -> None:
    path = f"/v1/organisations/{world.school}"

    async def count(day: str, employed: int | None, students: int | None) -> Any:
        body = {"counted_on": day, "employed": employed, "students": students}
        return done(await world.client.post(f"{path}/head-counts", json=body, headers=world.federal), 201)

    await count("2022-01-01", 50, 500)
    await count("2021-01-01", 44, None)
    moment = datetime.now(UTC).isoformat()
    await count("2021-01-01", 45, 450)

    async def employed(day: str) -> int:
        body = done(await world.client.get(path, params={"as_of": day}, headers=world.federal))
        return int(body["employed"])

    assert [await employed(day) for day in ("2020-06-01", "2021-01-01", "2021-12-31", "2022-01-01")] == [
        40,
        45,
        45,
        50,
    ]

    async def listed(**params: Any) -> list[tuple[str, int, int | None]]:
        rows = done(await world.client.get(f"{path}/head-counts", params=params, headers=world.federal))
        return [(row["counted_on"], row["employed"], row["students"]) for row in rows]

    assert await listed() == [("2022-01-01", 50, 500), ("2021-01-01", 45, 450), ("2020-01-01", 40, None)]
    assert (await listed(known_at=moment))[1] == ("2021-01-01", 44, None)
    assert len(await listed(corrections="true")) == 4
    told = [(str(e.effective_on), e.employed) for e in await published(OrganisationChanged)]
    assert told[-2:] == [("2021-01-01", 45), ("2022-01-01", 50)]
    body = {"counted_on": "2019-01-01", "employed": 1, "students": 1}
    early = await world.client.post(f"{path}/head-counts", json=body, headers=world.federal)
    refused(early, 422, "date_out_of_range")
    foreign = world.staff("territorial_staff", world.university)
    refused(await world.client.get(f"{path}/head-counts", headers=foreign), 404, "not_found")


async def test_an_institution_has_a_name_an_address_and_a_number(world: Any, done: Any, refused: Any) -> None:
    path = f"/v1/organisations/{world.school}"
    institution = {
        "institution_name": "МБОУ «Берёзовская СОШ № 2»",
        "address": "Омская область, село Берёзовка, Школьная улица, 1",
        "inn": "5501000000",
        "short_name": "ППО СОШ № 2",
    }
    changed = done(await world.patch(path, institution))
    assert {name: changed[name] for name in institution} == institution
    refused(await world.patch(path, {"inn": "12345"}), 422, "request_invalid")
    before = done(await world.client.get(path, params={"as_of": "2021-01-01"}, headers=world.federal))
    assert before["institution_name"] is None


async def test_an_undone_change_takes_its_head_count_back(world: Any, done: Any) -> None:
    path = f"/v1/organisations/{world.school}"
    params = {"organisation_id": str(world.school)}
    for employed in (41, 42):
        done(await world.patch(path, {"employed": employed, "effective_on": "2021-01-01"}))
    for left in ([41, 40], [40]):
        listed = done(await world.client.get("/v1/organisation-operations", params=params, headers=world.federal))
        newest = [item for item in listed["items"] if item["kind"] == "change" and item["status"] == "done"][-1]
        undo = f"/v1/organisation-operations/{newest['operation_id']}/undo"
        done(await world.client.post(undo, json={"reason": "Ошибка"}, headers=world.federal), 201)
        rows = done(await world.client.get(f"{path}/head-counts", headers=world.federal))
        assert [row["employed"] for row in rows] == left
        assert done(await world.client.get(path, headers=world.federal))["employed"] == left[0]
