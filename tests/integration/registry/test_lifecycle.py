"""Members that staff enter, correct and reinstate; seniority; how far back a change may lie."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.db import Database
from common.events.registry import MemberAdmitted, MemberChanged, MemberReinstated
from tests.integration.registry import care

PAPER = {
    "last_name": "Кузнецова",
    "first_name": "Анна",
    "patronymic": None,
    "birth_date": "1985-03-04",
    "sex": "female",
    "consents": ["membership", "cards"],
    "protocol_number": "14",
    "protocol_on": "2021-01-28",
    "effective_on": "2021-02-01",
}


async def enter(world: Any, organisation: Any, by: Any = None, **fields: Any) -> Any:
    body = {**PAPER, "organisation_id": str(organisation), **fields}
    return await world.client.post("/v1/members", json=body, headers=by or world.federal)


async def end(world: Any, member: str, how: str = "leave", day: str = "2021-07-01") -> Any:
    paper = {"reason": "Нарушение Устава", "protocol_number": "5"} if how == "expel" else {}
    body = {"effective_on": day, **paper}
    return await world.client.post(f"/v1/members/{member}/{how}", json=body, headers=world.federal)


async def reinstate(world: Any, member: str, by: Any = None, **fields: Any) -> Any:
    body = {"protocol_number": "9", "reason": "Исключение отменено", "effective_on": "2021-09-01", **fields}
    return await world.client.post(f"/v1/members/{member}/reinstate", json=body, headers=by or world.federal)


async def test_staff_enter_a_paper_application(world: Any, done: Any, published: Any) -> None:
    staff = world.staff("primary_staff", world.school)
    entered = done(await enter(world, world.school, by=staff, category="working", old_card_number="77 № 5"), 201)
    assert "last_name" not in entered
    assert (entered["status"], entered["joined_on"], entered["birth_year"]) == ("member", "2021-02-01", 1985)
    (event,) = await published(MemberAdmitted)
    assert (event.origin, event.consents, str(event.effective_on)) == (
        "entry",
        ["cards", "membership"],
        "2021-02-01",
    )
    extract = done(await world.client.get(f"/v1/members/{entered['member_id']}/extract", headers=staff))
    assert extract["person"]["old_card_number"] == "77 № 5"
    assert {consent["channel"] for consent in extract["consents"]} == {"paper"}
    (decision,) = extract["decisions"]
    assert (decision["kind"], decision["protocol_number"], decision["protocol_on"]) == (
        "admitted",
        "14",
        "2021-01-28",
    )


async def test_a_seniority_from_elsewhere_is_kept(world: Any, done: Any, refused: Any, published: Any) -> None:
    entered = done(await enter(world, world.school, seniority_from="2005-09-01"), 201)
    (event,) = await published(MemberAdmitted)
    assert (str(event.joined_on), str(event.effective_on)) == ("2005-09-01", "2021-02-01")
    path = f"/v1/members/{entered['member_id']}/seniority"
    answer = done(await world.client.get(path, params={"as_of": "2021-08-31"}, headers=world.federal))
    assert (answer["years"], answer["since"], answer["interrupted_days"]) == (15, "2005-09-01", 0)
    for day, here in (("2021-01-31", 0), ("2021-02-01", 1)):
        then = done(await world.client.get("/v1/members", params={"as_of": day}, headers=world.federal))
        assert len(then["items"]) == here
    later = await enter(world, world.school, first_name="Ольга", seniority_from="2021-02-02")
    refused(later, 422, "date_out_of_range")


async def test_entries_that_cannot_be_are_refused(
    world: Any, done: Any, refused: Any, database: Database, settings: Any
) -> None:
    done(await enter(world, world.school), 201)
    await care.examine(database, settings)
    refused(await enter(world, world.other, last_name="КУЗНЕЦОВА"), 409, "already_member")
    done(await enter(world, world.other, namesake_confirmed=True), 201)
    await care.examine(database, settings)
    waiting, decided = await care.queue(world), await care.queue(world, status="not_same")
    assert (waiting, len(decided)) == ([], 1), "what staff said of the namesake, nobody is asked again"
    early = {"effective_on": "2019-12-31", "protocol_on": "2019-12-31", "namesake_confirmed": True}
    refused(await enter(world, world.school, **early), 409, "parent_not_active")
    someone = {"first_name": "Ольга"}
    refused(await enter(world, world.school, **someone, birth_date="2010-03-04"), 422, "too_young")
    refused(await enter(world, world.school, **someone, consents=["cards"]), 422, "membership_consent_required")
    refused(await enter(world, world.town, **someone), 409, "organisation_takes_no_members")
    refused(await enter(world, world.school, **someone, protocol_on="2190-01-01"), 422, "date_out_of_range")
    refused(await enter(world, world.school, **someone, protocol_number=""), 422, "request_invalid")
    foreign = world.staff("primary_staff", world.other)
    refused(await enter(world, world.school, by=foreign, **someone), 404, "not_found")


async def test_one_paper_entered_twice_at_once_is_one_member(world: Any, published: Any) -> None:
    answers = await asyncio.gather(*(enter(world, place) for place in (world.school, world.other)))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert len(await published(MemberAdmitted)) == 1


async def test_name_and_birth_date_are_corrected_with_a_reason(
    world: Any, done: Any, refused: Any, published: Any
) -> None:
    member = done(await enter(world, world.school), 201)["member_id"]
    path = f"/v1/members/{member}"
    wrong = {"last_name": "Кузнецова-Белая", "birth_date": "1986-04-03", "patronymic": "Петровна"}
    refused(await world.patch(path, wrong), 422, "reason_required")
    refused(await world.patch(path, {**wrong, "reason": "По паспорту"}, world.self(member)), 403, "contacts_only")
    view = done(await world.patch(path, {**wrong, "reason": "По паспорту"}))
    assert {field: view[field] for field in wrong} == wrong
    (event,) = await published(MemberChanged)
    assert (event.birth_year, event.version) == (1986, 2)
    # The corrected person is the one that is known from now on.
    refused(await enter(world, world.other, **wrong), 409, "already_member")
    done(await enter(world, world.other), 201)
    done(await world.patch(path, {"patronymic": None, "reason": "Нет отчества"}))
    assert len(await published(MemberChanged)) == 1
    extract = done(await world.client.get(f"{path}/extract", headers=world.federal))
    assert [(d["kind"], d["reason"]) for d in extract["decisions"][1:]] == [
        ("corrected", "По паспорту"),
        ("corrected", "Нет отчества"),
    ]
    too_young = {"birth_date": "2010-01-01", "reason": "По паспорту"}
    refused(await world.patch(path, too_young), 422, "too_young")


@pytest.mark.parametrize("how", ["leave", "expel"])
async def test_a_reinstatement_keeps_the_seniority_without_the_days_between(
    how: str, world: Any, done: Any, refused: Any, published: Any
) -> None:
    member = await world.member(world.school, effective_on="2020-02-01")
    refused(await reinstate(world, member), 409, "membership_in_force")
    done(await end(world, member, how))
    refused(await reinstate(world, member, effective_on="2021-06-30"), 422, "date_out_of_range")
    back = done(await reinstate(world, member, organisation_id=str(world.other)))
    assert (back["status"], back["organisation_id"], back["joined_on"], back["left_on"]) == (
        "member",
        str(world.other),
        "2020-02-01",
        None,
    )
    (event,) = await published(MemberReinstated)
    assert (event.version, str(event.effective_on), event.consents) == (3, "2021-09-01", ["cards", "membership"])
    path = f"/v1/members/{member}"
    for day, years, interrupted in (("2021-02-01", 1, 0), ("2022-02-01", 1, 62), ("2022-04-04", 2, 62)):
        answer = done(
            await world.client.get(f"{path}/seniority", params={"as_of": day}, headers=world.self(member))
        )
        assert (answer["years"], answer["interrupted_days"]) == (years, interrupted), day
    extract = done(await world.client.get(f"{path}/extract", headers=world.federal))
    assert [(stay["from_on"], stay["to_on"]) for stay in extract["stays"]] == [
        ("2020-02-01", "2021-07-01"),
        ("2021-09-01", None),
    ]
    assert extract["decisions"][-1]["kind"] == "reinstated"
    counted = done(await world.client.get("/v1/member-counts", headers=world.federal))["items"]
    assert counted == [{"organisation_id": str(world.other), "members": 1}]


async def test_an_annulled_expulsion_leaves_no_gap_and_a_decision_may_begin_the_seniority_anew(
    world: Any, done: Any, refused: Any
) -> None:
    member = await world.member(world.school, effective_on="2020-02-01")
    done(await end(world, member, "expel"))
    done(await reinstate(world, member, effective_on="2021-07-01"))
    path = f"/v1/members/{member}/seniority"
    answer = done(await world.client.get(path, params={"as_of": "2022-02-01"}, headers=world.federal))
    assert (answer["years"], answer["interrupted_days"]) == (2, 0)
    done(await end(world, member, "leave", "2022-03-01"))
    refused(
        await reinstate(world, member, effective_on="2022-04-01", seniority_from="2022-04-02"),
        422,
        "date_out_of_range",
    )
    back = done(await reinstate(world, member, effective_on="2022-04-01", seniority_from="2022-04-01"))
    assert back["joined_on"] == "2022-04-01"
    answer = done(await world.client.get(path, params={"as_of": "2023-04-01"}, headers=world.federal))
    assert (answer["years"], answer["interrupted_days"]) == (1, 0)


async def test_who_joined_again_meanwhile_is_not_reinstated_beside(world: Any, done: Any, refused: Any) -> None:
    first = done(await enter(world, world.school), 201)["member_id"]
    done(await end(world, first))
    done(await enter(world, world.other, effective_on="2021-08-01"), 201)
    refused(await reinstate(world, first), 409, "already_member")


async def test_two_reinstatements_at_once_are_one(world: Any, done: Any, published: Any) -> None:
    member = await world.member(world.school)
    done(await end(world, member))
    answers = await asyncio.gather(*(reinstate(world, member) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert len(await published(MemberReinstated)) == 1


class TestWithALimitOfBackdating:
    @pytest.fixture
    def extra_settings(self) -> dict[str, Any]:
        return {"backdating_days": 62}

    async def test_only_region_and_centre_record_what_is_older(self, world: Any, done: Any, refused: Any) -> None:
        today = datetime.now(UTC).date()
        old, recent = str(today - timedelta(days=64)), str(today - timedelta(days=60))
        chair, region = world.staff("primary_staff", world.school), world.staff("regional_staff", world.region)
        member = await world.member(world.school)
        path = f"/v1/members/{member}"
        refused(await enter(world, world.school, by=chair, effective_on=old), 422, "backdated_too_far")
        change = {"category": "pensioner", "effective_on": old}
        refused(await world.patch(path, change, chair), 422, "backdated_too_far")
        for who in (chair, world.self(member)):
            leaving = await world.client.post(f"{path}/leave", json={"effective_on": old}, headers=who)
            refused(leaving, 422, "backdated_too_far")
        release = {"member_id": member, "to_organisation_id": str(world.other), "effective_on": old}
        refused(await world.client.post("/v1/transfers", json=release, headers=chair), 422, "backdated_too_far")
        done(await enter(world, world.school, by=chair, effective_on=recent), 201)
        done(await enter(world, world.school, by=region, effective_on=old, first_name="Ольга"), 201)
        done(await world.client.post(f"{path}/leave", json={}, headers=world.self(member)))
