"""Elected offices: elections, terms, early ends; powers follow the term; who sees what, and why."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database
from common.events.registry import OfficeChanged, OfficeEnded, OfficeTaken

TODAY = datetime.now(UTC).date()


def on(days: int) -> str:
    """The day so many days from today."""
    return str(TODAY + timedelta(days=days))


async def elect(
    world: Any, organisation: Any, member: str, by: Any = None, office: str = "chair", **fields: Any
) -> Any:
    body = {
        "member_id": member,
        "office": office,
        "starts_on": on(-100),
        "ends_on": on(300),
        "protocol_number": "1",
        "protocol_on": on(-100),
        **fields,
    }
    return await world.client.post(
        f"/v1/organisations/{organisation}/offices", json=body, headers=by or world.federal
    )


async def act(world: Any, term: dict[str, Any], what: str, **body: Any) -> Any:
    return await world.client.post(f"/v1/offices/{term['term_id']}/{what}", json=body, headers=world.federal)


async def move_term(database: Database, starts: int, ends: int) -> None:
    """Move the clock by data: the term lies so many days from today."""
    async with database.sessions.begin() as session:
        await session.execute(
            sa.text("update office_term set starts_on = :starts, ends_on = :ends"),
            {"starts": TODAY + timedelta(days=starts), "ends": TODAY + timedelta(days=ends)},
        )


async def test_an_election_is_published_prolonged_and_ended(
    world: Any, done: Any, refused: Any, published: Any
) -> None:
    member = await world.member(world.school)
    term = done(await elect(world, world.school, member, released=True), 201)
    path = f"/v1/offices/{term['term_id']}"
    longer = {"ends_on": on(500), "protocol_number": "2", "protocol_on": on(-1)}
    assert done(await act(world, term, "prolong", **longer))["ends_on"] == on(500)
    changed = await world.patch(path, {"released": False})
    assert (done(changed)["released"], changed.headers["etag"]) == (False, '"3"')
    refused(
        await world.client.patch(path, json={"released": True}, headers=world.federal), 428, "if_match_required"
    )
    ended = done(await act(world, term, "end", ends_on=on(30), reason="По собственному желанию"))
    assert (ended["ends_on"], ended["ended_because"]) == (on(30), "По собственному желанию")
    taken, prolonged, unpaid, over = await published(OfficeTaken, OfficeChanged, OfficeEnded)
    assert (str(taken.member_id), taken.organisation_id, taken.office, taken.released) == (
        member,
        world.school,
        "chair",
        True,
    )
    assert [type(event) for event in (taken, prolonged, unpaid, over)] == [
        OfficeTaken,
        OfficeChanged,
        OfficeChanged,
        OfficeEnded,
    ]
    assert [event.version for event in (taken, prolonged, unpaid, over)] == [1, 2, 3, 4]
    assert (str(taken.effective_on), str(over.effective_on), str(over.ends_on)) == (on(-100), on(31), on(30))
    page = done(await world.client.get("/v1/offices", params={"on": on(30)}, headers=world.federal))
    assert [(item["term_id"], item["first_name"]) for item in page["items"]] == [(term["term_id"], "Анна")]
    assert done(await world.client.get("/v1/offices", params={"on": on(31)}, headers=world.federal))["items"] == []


async def test_there_is_one_chair_at_a_time_however_many_are_elected_at_once(
    world: Any, done: Any, refused: Any, published: Any
) -> None:
    members = [await world.member(world.school) for _ in range(3)]
    answers = await asyncio.gather(*(elect(world, world.school, member) for member in members))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.is_error} == {"office_held"}
    (term,) = [answer.json() for answer in answers if answer.is_success]
    refused(await elect(world, world.school, members[0], starts_on=on(300), ends_on=on(400)), 409, "office_held")
    later = done(await elect(world, world.school, members[0], starts_on=on(301), ends_on=on(400)), 201)
    longer = {"ends_on": on(350), "protocol_number": "2", "protocol_on": on(-1)}
    refused(await act(world, term, "prolong", **longer), 409, "office_held")
    done(await elect(world, world.other, await world.member(world.other)), 201)
    for office in ("deputy_chair", "committee_member", "audit_member"):
        for member in members[:2]:
            done(await elect(world, world.school, member, office=office), 201)
        refused(await elect(world, world.school, members[0], office=office), 409, "office_held")
    # A chair who never began leaves the days free.
    assert done(await act(world, later, "end", reason="Отказ"))["ends_on"] == on(300)
    done(await act(world, term, "prolong", **longer))
    assert len(await published(OfficeTaken)) == 9


async def test_elections_that_cannot_be_are_refused(world: Any, done: Any, refused: Any) -> None:
    member = await world.member(world.school)
    refused(await elect(world, world.other, member), 409, "holder_elsewhere")
    done(await elect(world, world.region, member, office="committee_member"), 201)
    refused(await elect(world, world.school, member, ends_on=on(-101)), 422, "term_too_long")
    refused(await elect(world, world.school, member, ends_on=on(5 * 366)), 422, "term_too_long")
    refused(await elect(world, world.school, member, starts_on=on(400), ends_on=on(500)), 422, "date_out_of_range")
    refused(await elect(world, world.school, member, protocol_on=on(2)), 422, "date_out_of_range")
    await world.client.post(f"/v1/members/{member}/leave", json={}, headers=world.self(member))
    refused(await elect(world, world.school, member), 409, "membership_ended")
    term = done(await elect(world, world.other, await world.member(world.other)), 201)
    refused(await act(world, term, "end", ends_on=on(300), reason="Нет"), 409, "term_over")
    refused(await act(world, term, "end", ends_on=on(-102), reason="Нет"), 422, "date_out_of_range")
    longer = {"protocol_number": "2", "protocol_on": on(-1)}
    refused(await act(world, term, "prolong", ends_on=on(299), **longer), 422, "term_too_long")
    refused(await act(world, term, "prolong", ends_on=on(6 * 366), **longer), 422, "term_too_long")
    done(await act(world, term, "end", reason="Отстранена"))
    refused(await act(world, term, "prolong", ends_on=on(400), **longer), 409, "term_over")


async def test_nobody_gives_powers_to_themselves(world: Any, done: Any, refused: Any) -> None:
    member = await world.member(world.school)
    own = world.staff("primary_staff", world.school)
    for office in ("chair", "deputy_chair"):
        refused(await elect(world, world.school, member, own, office), 403, "own_powers")
    done(await elect(world, world.school, member, own, "committee_member"), 201)
    town = world.staff("territorial_staff", world.town)
    term = done(await elect(world, world.school, member, town), 201)
    longer = {"ends_on": on(500), "protocol_number": "2", "protocol_on": on(-1)}
    path = f"/v1/offices/{term['term_id']}"
    refused(await world.client.post(f"{path}/prolong", json=longer, headers=own), 403, "own_powers")
    refused(await world.client.post(f"{path}/end", json={"reason": "Нет"}, headers=own), 403, "own_powers")
    other = world.staff("primary_staff", world.other)
    refused(await world.client.post(f"{path}/end", json={"reason": "Нет"}, headers=other), 404, "not_found")


async def test_the_chair_acts_on_the_last_day_and_is_refused_on_the_next(
    world: Any, done: Any, refused: Any, database: Database
) -> None:
    chair = await world.member(world.school)
    token = world.elected("primary_staff", world.school, chair)
    refused(await world.client.get("/v1/members", headers=token), 403, "powers_ended")
    done(await elect(world, world.school, chair), 201)
    for starts, ends, powers in ((-100, 0, True), (-100, -1, False), (0, 10, True), (1, 10, False)):
        await move_term(database, starts, ends)
        read = await world.client.get("/v1/members", headers=token)
        receipt = await world.apply(world.school)
        decide = f"/v1/applications/{receipt['application_id']}/admit"
        written = await world.client.post(decide, json={"protocol_number": "1"}, headers=token)
        if powers:
            done(read)
            done(written)
        else:
            refused(read, 403, "powers_ended")
            refused(written, 403, "powers_ended")
    # What the same token lets do as a member stays.
    own = done(await world.client.get(f"/v1/members/{chair}", headers=world.self(chair)))
    assert own["status"] == "member"


async def test_an_early_end_takes_the_powers_at_once(world: Any, done: Any, refused: Any) -> None:
    chair = await world.member(world.school)
    token = world.elected("primary_staff", world.school, chair)
    term = done(await elect(world, world.school, chair), 201)
    done(await world.client.get("/v1/members", headers=token))
    done(await act(world, term, "end", reason="Отстранена"))
    refused(await world.client.get("/v1/members", headers=token), 403, "powers_ended")


async def test_powers_are_those_of_the_office_and_of_its_organisation(world: Any, done: Any, refused: Any) -> None:
    member = await world.member(world.school)
    done(await elect(world, world.town, member, office="deputy_chair"), 201)
    done(await elect(world, world.school, member, office="committee_member"), 201)
    done(await world.client.get("/v1/members", headers=world.elected("territorial_staff", world.town, member)))
    for role, organisation in (
        ("primary_staff", world.school),  # a committee's member has no powers
        ("territorial_staff", world.region),  # elected below it
        ("regional_staff", world.town),  # more than the office gives
        ("federal_staff", None),
    ):
        token = world.elected(role, organisation, member)
        refused(await world.client.get("/v1/members", headers=token), 403, "powers_ended")
    done(await elect(world, world.root, member), 201)
    done(await world.client.get("/v1/members", headers=world.elected("federal_staff", None, member)))


@pytest.mark.parametrize("how", ["leave", "expel", "transfer"])
async def test_who_leaves_is_expelled_or_moves_away_loses_the_office(
    how: str, world: Any, done: Any, refused: Any, published: Any
) -> None:
    chair = await world.member(world.school)
    token = world.elected("primary_staff", world.school, chair)
    for organisation, office in ((world.school, "chair"), (world.town, "audit_member")):
        done(await elect(world, organisation, chair, office=office), 201)
    done(await world.client.get("/v1/members", headers=token))
    if how == "transfer":
        release = {"member_id": chair, "to_organisation_id": str(world.other)}
        transfer = done(await world.client.post("/v1/transfers", json=release, headers=world.federal), 201)
        path = f"/v1/transfers/{transfer['transfer_id']}/accept"
        done(await world.client.post(path, json={}, headers=world.federal))
    else:
        paper = {"reason": "Нарушение Устава", "protocol_number": "5"} if how == "expel" else {}
        done(await world.client.post(f"/v1/members/{chair}/{how}", json=paper, headers=world.federal))
    refused(await world.client.get("/v1/members", headers=token), 403, "powers_ended")
    ended = await published(OfficeEnded)
    # Within the town a member may move: its audit commission is still theirs.
    expected = {world.school} if how == "transfer" else {world.school, world.town}
    assert {event.organisation_id for event in ended} == expected
    assert {str(event.ends_on) for event in ended} == {on(-1)}
    done(await elect(world, world.school, await world.member(world.school), starts_on=on(0)), 201)


async def test_a_closed_organisation_gives_no_powers(world: Any, done: Any, refused: Any, published: Any) -> None:
    member = await world.member(world.school)
    town = await world.organisation("territorial", world.region)
    done(await elect(world, world.region, member, office="committee_member"), 201)
    refused(await elect(world, town, member), 409, "holder_elsewhere")
    school = await world.organisation("primary", town)
    chair = await world.member(school)
    done(await elect(world, town, chair), 201)
    token = world.elected("territorial_staff", town, chair)
    done(await world.client.get("/v1/members", headers=token))
    move = {"parent_id": str(world.town), "reason": "Так решено"}
    done(await world.client.post(f"/v1/organisations/{school}/move", json=move, headers=world.federal))
    close = {"reason": "Так решено"}
    done(await world.client.post(f"/v1/organisations/{town}/close", json=close, headers=world.federal))
    refused(await world.client.get("/v1/members", headers=token), 403, "powers_ended")
    (event,) = await published(OfficeEnded)
    assert (event.organisation_id, str(event.ends_on)) == (town, on(-1))


async def test_the_identity_provider_reads_what_a_token_may_claim(
    world: Any, done: Any, database: Database
) -> None:
    app = world.issuer.bearer("internal_app")
    member = await world.member(world.school)

    async def grants() -> list[tuple[list[str], str | None, str | None]]:
        answer = done(await world.client.get("/v1/access/grants", params={"member_id": member}, headers=app))
        return [(g["roles"], g["organisation_id"], g["powers_until"]) for g in answer["grants"]]

    assert await grants() == [(["member"], None, None)]
    done(await elect(world, world.school, member), 201)
    done(await elect(world, world.region, member, office="deputy_chair", ends_on=on(10)), 201)
    done(await elect(world, world.town, member, office="committee_member"), 201)
    assert sorted(await grants(), key=str) == sorted(
        [
            (["member"], None, None),
            (["member", "primary_staff"], str(world.school), on(300)),
            (["member", "regional_staff"], str(world.region), on(10)),
        ],
        key=str,
    )
    # Each of these tokens is good for what it says.
    for roles, organisation, until in (await grants())[1:]:
        token = world.issuer.bearer(*roles, organisation_id=organisation, member_id=member, powers_until=until)
        done(await world.client.get("/v1/members", headers={**token, "X-Purpose": "control"}))
    await move_term(database, -100, -1)
    assert await grants() == [(["member"], None, None)]


async def test_the_access_review_tells_who_sees_an_organisation_and_why(
    world: Any, done: Any, refused: Any
) -> None:
    chair, deputy = await world.member(world.school), await world.member(world.other)
    done(await elect(world, world.school, chair), 201)
    done(await elect(world, world.region, deputy, office="deputy_chair"), 201)
    done(await elect(world, world.other, deputy), 201)
    done(await elect(world, world.town, chair, office="committee_member"), 201)
    done(await elect(world, world.town, deputy, ends_on=on(-1)), 201)
    done(await world.client.get("/v1/members", headers=world.staff("territorial_staff", world.town)))
    done(await world.client.get("/v1/members", headers=world.staff("primary_staff", world.other)))
    path = f"/v1/organisations/{world.school}/access"
    review = done(await world.client.get(path, headers=world.staff("regional_staff", world.region)))
    seats = [
        (seat["organisation_id"], seat["role"], [(x["member_id"], x["office"]) for x in seat["leaders"]])
        for seat in review["seats"]
    ]
    assert seats == [
        (str(world.school), "primary_staff", [(chair, "chair")]),
        (str(world.town), "territorial_staff", []),
        (str(world.region), "regional_staff", [(deputy, "deputy_chair")]),
        (str(world.root), "federal_staff", []),
    ]
    seen = {item["subject"]: item for item in review["seen"]}
    assert set(seen) == {"applicant", "federal_staff-1", "territorial_staff-1"}
    assert (seen["territorial_staff-1"]["actions"], seen["territorial_staff-1"]["purposes"]) == (
        ["list_members"],
        ["membership_records"],
    )
    for role, scope in (("territorial_staff", world.town), ("primary_staff", world.school), ("auditor", None)):
        refused(await world.client.get(path, headers=world.staff(role, scope)), 403, "forbidden")
    unrelated = await world.organisation("regional", world.root)
    refused(await world.client.get(path, headers=world.staff("regional_staff", unrelated)), 404, "not_found")


async def test_staff_and_apps_say_why_they_read_personal_data(world: Any, done: Any, refused: Any) -> None:
    member = await world.member(world.school)
    paths = ("/v1/members", f"/v1/members/{member}", "/v1/applications", "/v1/transfers", "/v1/offices")
    for role in ("federal_staff", "internal_app"):
        bearer = world.issuer.bearer(role)
        for path in (*paths, f"/v1/members/{member}/extract"):
            if role == "federal_staff" or not path.endswith("extract"):
                refused(await world.client.get(path, headers=bearer), 422, "purpose_required")
                idle = {**bearer, "X-Purpose": "curiosity"}
                refused(await world.client.get(path, headers=idle), 422, "request_invalid")
                done(await world.client.get(path, headers={**bearer, "X-Purpose": "support"}))
    for path in paths:
        done(await world.client.get(path, headers=world.issuer.bearer("auditor")))
    done(await world.client.get(f"/v1/members/{member}", headers=world.self(member)))
