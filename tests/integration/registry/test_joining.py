"""Joining online: found, sent twice by a weak network, decided late, withdrawn."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from common.events.registry import ApplicationDecided, ApplicationSubmitted

NOBODY_KNOWN = "no organisation"


async def find(world: Any, done: Any, **params: Any) -> set[str]:
    sent = {name: str(value) for name, value in params.items()}
    page = done(await world.client.get("/v1/public/organisations", params=sent))
    return {item["organisation_id"] for item in page["items"]}


async def test_ones_organisation_is_found_by_region_name_and_institution(world: Any, done: Any) -> None:
    far = await world.organisation("regional", world.root, name="Томская областная организация")
    school = await world.organisation("primary", far, name="ППО МБОУ «СОШ № 2»", institution_type="school")
    regions = done(await world.client.get("/v1/public/regions"))["items"]
    assert regions == [
        {"organisation_id": str(world.region), "name": "Омская областная организация"},
        {"organisation_id": str(far), "name": "Томская областная организация"},
    ]
    assert await find(world, done, q="сош 2") == {str(world.school), str(school)}
    assert await find(world, done, q="СОШ №2", region_id=far) == {str(school)}
    assert await find(world, done, q="берёзовская «сош»") == await find(world, done, q="Березовская СОШ")
    assert await find(world, done, institution_type="school") == {str(world.school), str(school)}
    everything = {str(world.school), str(world.other), str(world.university)}
    assert await find(world, done, region_id=world.region) == everything
    chosen = done(await world.client.get(f"/v1/public/organisations/{school}"))
    assert (chosen["name"], chosen["parent_name"]) == ("ППО МБОУ «СОШ № 2»", "Томская областная организация")
    # A region takes no members itself.
    assert (await world.client.get(f"/v1/public/organisations/{far}")).status_code == 404


async def submit(world: Any, body: dict[str, Any], **headers: str) -> Any:
    return await world.client.post("/v1/applications", json=body, headers=headers)


async def test_the_same_application_sent_again_with_another_key_is_one_application(
    world: Any, done: Any, published: Any
) -> None:
    body = world.application(world.school, last_name="Кузнецова")
    receipts = [done(answer, 201) for answer in await asyncio.gather(*(submit(world, body) for _ in range(4)))]
    assert len({receipt["application_id"] for receipt in receipts}) == 1
    assert len({receipt["follow_code"] for receipt in receipts}) == 4
    assert len(await published(ApplicationSubmitted)) == 1
    queue = done(await world.client.get("/v1/applications", headers=world.federal))["items"]
    assert len(queue) == 1
    path = f"/v1/applications/{receipts[0]['application_id']}/decline"
    done(await world.client.post(path, json={"reason": "Нет", "protocol_number": "4"}, headers=world.federal))
    for receipt in receipts:
        assert (await world.progress(receipt))["status"] == "declined"
    # After the decision it is a new application.
    again = done(await submit(world, body), 201)
    assert again["application_id"] != receipts[0]["application_id"]
    assert (await world.progress(again))["status"] == "submitted"


@pytest.mark.parametrize(
    "other",
    [
        {"phone": "+79990000001"},
        {"email": "another@example.org"},
        {"category": "student"},
        {"consents": ["membership"]},
        {"check_off": True},
        {"patronymic": None},
        {"organisation_id": NOBODY_KNOWN},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_what_differs_is_an_application_of_its_own(other: dict[str, Any], world: Any, done: Any) -> None:
    """Somebody who knows a name and a birth date gets no key to that person's application."""
    body = world.application(world.school)
    first = done(await submit(world, body), 201)
    if "organisation_id" in other:
        other = {"organisation_id": str(world.other)}
    second = done(await submit(world, {**body, **other}), 201)
    assert second["application_id"] != first["application_id"]


async def test_without_a_contact_two_are_not_taken_for_one(world: Any, done: Any) -> None:
    body = world.application(world.school, phone=None, email=None)
    receipts = [done(await submit(world, body), 201) for _ in range(2)]
    assert receipts[0]["application_id"] != receipts[1]["application_id"]


async def test_only_staff_are_told_that_a_person_is_known(world: Any, done: Any) -> None:
    person = {"last_name": "Алёшина", "birth_date": "1980-01-02"}

    async def known_as(receipt: dict[str, Any], headers: Any) -> Any:
        path = f"/v1/applications/{receipt['application_id']}"
        return done(await world.client.get(path, headers=headers))["known_as"]

    staff = world.staff("primary_staff", world.school)
    stranger = done(await submit(world, world.application(world.school, last_name="Новая")), 201)
    first = done(await submit(world, world.application(world.other, **person)), 201)
    second = done(await submit(world, world.application(world.school, **{**person, "last_name": "АЛЕШИНА"})), 201)
    assert await known_as(stranger, staff) is None
    assert await known_as(second, staff) == "applicant"
    admit = f"/v1/applications/{first['application_id']}/admit"
    decision = {"protocol_number": "7", "effective_on": "2021-02-01"}
    member = done(await world.client.post(admit, json=decision, headers=world.federal))["member_id"]
    assert await known_as(second, staff) == "member"
    done(await world.client.post(f"/v1/members/{member}/leave", json={}, headers=world.federal))
    assert await known_as(second, staff) == "former_member"
    # The applicant learns nothing of it: the same words for who is known and who is not.
    assert set(first) == set(second) == set(stranger)
    assert await known_as(second, world.staff("auditor")) is None
    told = [await world.progress(receipt) for receipt in (second, stranger)]
    assert told[0].keys() == told[1].keys()
    assert {**told[0], "submitted_at": ""} == {**told[1], "submitted_at": ""}


async def test_an_applicant_withdraws_with_the_code(world: Any, done: Any, refused: Any, published: Any) -> None:
    receipt = await world.apply(world.school)
    code = {"follow_code": receipt["follow_code"]}
    answer = done(await world.client.post("/v1/public/application/withdraw", json=code))
    assert answer == {"status": "withdrawn"}
    again = await world.client.post("/v1/public/application/withdraw", json=code)
    refused(again, 409, "application_already_decided")
    admit = f"/v1/applications/{receipt['application_id']}/admit"
    refused(
        await world.client.post(admit, json={"protocol_number": "1"}, headers=world.federal),
        409,
        "application_already_decided",
    )
    assert (await world.progress(receipt))["status"] == "withdrawn"
    (event,) = await published(ApplicationDecided)
    assert (event.status, event.member_id, event.version) == ("withdrawn", None, 2)


async def test_withdrawing_and_admitting_at_once_end_in_one_of_the_two(
    world: Any, done: Any, published: Any
) -> None:
    receipt = await world.apply(world.school)
    path = f"/v1/applications/{receipt['application_id']}/admit"
    admitted, withdrawn = await asyncio.gather(
        world.client.post(path, json={"protocol_number": "1"}, headers=world.federal),
        world.client.post("/v1/public/application/withdraw", json={"follow_code": receipt["follow_code"]}),
    )
    assert sorted([admitted.status_code, withdrawn.status_code]) == [200, 409]
    assert [event.status for event in await published(ApplicationDecided)] == [
        "admitted" if admitted.is_success else "withdrawn"
    ]


async def test_a_late_committee_is_reminded_and_then_the_next_level_is_asked(
    world: Any, done: Any, pass_time: Any, published: Any
) -> None:
    receipt = await world.apply(world.school)
    now = datetime.now(UTC)
    path = f"/v1/applications/{receipt['application_id']}"

    async def queue(role: str, scope: Any, attention: str) -> int:
        page = await world.client.get(
            "/v1/applications", params={"attention": attention}, headers=world.staff(role, scope)
        )
        return len(done(page)["items"])

    async def state() -> tuple[int, bool, str | None]:
        view = done(await world.client.get(path, headers=world.federal))
        days = (date.fromisoformat(view["deadline"]) - now.date()).days
        return days, view["reminded_at"] is not None, view["escalated_to"]

    primary, town, region = (
        ("primary_staff", world.school),
        ("territorial_staff", world.town),
        ("regional_staff", world.region),
    )
    for days, expected, queues in (
        (24, (30, False, None), [0, 0, 0, 0]),
        (25, (30, True, None), [1, 0, 0, 0]),
        (30, (30, True, None), [1, 0, 0, 0]),
        (31, (41, False, str(world.town)), [0, 0, 1, 1]),
        (36, (41, True, str(world.town)), [1, 0, 1, 1]),
        (42, (52, False, str(world.region)), [0, 0, 0, 1]),
        (53, (63, False, str(world.root)), [0, 0, 0, 0]),
        (99, (63, False, str(world.root)), [0, 0, 0, 0]),
    ):
        await pass_time(now + timedelta(days=days))
        found = [
            await queue(*primary, "reminded"),
            await queue(*primary, "escalated"),
            await queue(*town, "escalated"),
            await queue(*region, "escalated"),
        ]
        assert (await state(), found) == (expected, queues), days
    assert await published(ApplicationDecided) == []
    # The level above decides, with a protocol of its own.
    body = {"protocol_number": "17", "protocol_on": "2021-01-30", "effective_on": "2021-02-01"}
    done(await world.client.post(f"{path}/admit", json=body, headers=world.staff(*region)))
    view = done(await world.client.get(path, headers=world.federal))
    assert (view["status"], view["protocol_number"], view["protocol_on"]) == ("admitted", "17", "2021-01-30")
    await pass_time(now + timedelta(days=200))
    assert done(await world.client.get(path, headers=world.federal))["version"] == view["version"]


async def test_addresses_hold_no_personal_data_and_no_code(app: Any) -> None:
    """What proxies write down: neither in the path nor in the query of any route."""
    words = ("name", "phone", "email", "birth", "patronymic", "follow", "protocol", "reason")
    for path, operations in app.openapi()["paths"].items():
        for operation in operations.values():
            addressed = [p["name"] for p in operation.get("parameters", []) if p["in"] in ("path", "query")]
            assert not [name for name in addressed if any(word in name for word in words)], path


async def test_the_code_is_kept_as_a_hash_alone(world: Any, done: Any, database: Database) -> None:
    body = world.application(world.school)
    codes = [done(await submit(world, body), 201)["follow_code"] for _ in range(2)]
    async with database.sessions() as session:
        for table in ("application", "follow_code", "access_log", "outbox"):
            rows = (await session.execute(sa.text(f"select * from {table}"))).all()
            assert rows
            assert not [code for code in codes if code in str(rows)]


class TestWithALimit:
    @pytest.fixture
    def generous_limits(self) -> None:
        """The built-in ones."""

    @pytest.fixture(autouse=True)
    def still_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However slow the machine is, no time passes in which somebody might ask again."""
        monkeypatch.setattr("common.limits.time", SimpleNamespace(monotonic=lambda: 0.0))

    async def test_one_address_applies_and_guesses_so_often_and_no_more(
        self, world: Any, done: Any, refused: Any
    ) -> None:
        for _ in range(20):
            done(await submit(world, world.application(world.school)), 201)
        answer = await submit(world, world.application(world.school))
        refused(answer, 429, "too_many_requests")
        assert int(answer.headers["retry-after"]) >= 1
        for number in range(30):
            guess = {"X-Follow-Code": f"{number:022d}"}
            refused(await world.client.get("/v1/public/application", headers=guess), 404, "not_found")
        guess = {"follow_code": "0123456789012345678901"}
        refused(await world.client.post("/v1/public/application/withdraw", json=guess), 429, "too_many_requests")
