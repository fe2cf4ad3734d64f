"""Members: read with an audit, changed, leaving, expelled; their consents and their extract."""

from typing import Any

import sqlalchemy as sa

from common.db import Database
from common.events.registry import (
    ConsentGiven,
    ConsentWithdrawn,
    MemberChanged,
    MemberExpelled,
    MemberLeft,
)


async def test_staff_read_members_of_their_organisation_with_names(
    world: Any, done: Any, database: Database
) -> None:
    member = await world.member(world.school, last_name="Кузнецова", birth_date="1985-03-04")
    await world.member(world.other)
    page = done(await world.client.get("/v1/members", headers=world.staff("primary_staff", world.school)))
    (item,) = page["items"]
    assert (item["member_id"], item["last_name"], item["birth_date"]) == (member, "Кузнецова", "1985-03-04")
    assert item["consents"] == ["cards", "membership"]
    async with database.sessions() as session:
        row = (
            await session.execute(sa.text("select whose, count from access_log where action = 'list_members'"))
        ).one()
    assert ([str(key) for key in row.whose], row[1]) == ([member], 1)


async def test_members_are_filtered_by_organisation_and_status(world: Any, done: Any) -> None:
    stays, leaves = await world.member(world.school), await world.member(world.school)
    await world.member(world.other)
    left = {"effective_on": "2021-03-01"}
    done(await world.client.post(f"/v1/members/{leaves}/leave", json=left, headers=world.federal))

    async def ids(**params: Any) -> set[str]:
        page = done(await world.client.get("/v1/members", params=params, headers=world.federal))
        return {item["member_id"] for item in page["items"]}

    assert await ids(organisation_id=str(world.school)) == {stays, leaves}
    assert await ids(organisation_id=str(world.school), status="member") == {stays}
    assert await ids(status="left") == {leaves}


async def test_auditors_read_without_names_and_members_read_themselves(
    world: Any, done: Any, refused: Any
) -> None:
    member, another = await world.member(world.school), await world.member(world.school)
    audited = done(await world.client.get(f"/v1/members/{member}", headers=world.staff("auditor")))
    personal = ("last_name", "first_name", "patronymic", "birth_date", "phone", "email", "old_card_number")
    assert [audited[field] for field in personal] == [None] * 7
    assert audited["birth_year"]
    assert (
        done(await world.client.get(f"/v1/members/{member}", headers=world.self(member)))["first_name"] == "Анна"
    )
    refused(await world.client.get(f"/v1/members/{another}", headers=world.self(member)), 404, "not_found")


async def test_staff_change_category_and_contacts(world: Any, done: Any, refused: Any, published: Any) -> None:
    member = await world.member(world.school)
    path = f"/v1/members/{member}"
    change = {"category": "pensioner", "phone": "+79990000000", "email": None, "effective_on": "2021-06-01"}
    body = done(await world.patch(path, change))
    assert (body["category"], body["phone"], body["email"], body["version"]) == (
        "pensioner",
        "+79990000000",
        None,
        2,
    )
    (event,) = await published(MemberChanged)
    assert (event.category, event.version, str(event.effective_on)) == ("pensioner", 2, "2021-06-01")
    early = {"category": "working", "effective_on": "2021-01-31"}
    refused(await world.patch(path, early), 422, "date_out_of_range")
    refused(await world.client.patch(path, json=change, headers=world.federal), 428, "if_match_required")


async def test_members_change_their_own_contacts_only(world: Any, done: Any, refused: Any, published: Any) -> None:
    member = await world.member(world.school)
    path, itself = f"/v1/members/{member}", world.self(member)
    assert done(await world.patch(path, {"email": "New@Example.org"}, itself))["email"] == "new@example.org"
    refused(await world.patch(path, {"category": "student"}, itself), 403, "contacts_only")
    assert await published(MemberChanged) == []


async def test_leaving_is_free_and_at_once(world: Any, done: Any, refused: Any, published: Any) -> None:
    member = await world.member(world.school)
    path = f"/v1/members/{member}/leave"
    refused(
        await world.client.post(path, json={"effective_on": "2021-01-01"}, headers=world.self(member)),
        422,
        "date_out_of_range",
    )
    body = done(await world.client.post(path, json={"effective_on": "2021-07-01"}, headers=world.self(member)))
    assert (body["status"], body["left_on"]) == ("left", "2021-07-01")
    (event,) = await published(MemberLeft)
    assert (event.status, str(event.left_on), event.version) == ("left", "2021-07-01", 2)
    refused(await world.client.post(path, json={}, headers=world.self(member)), 409, "membership_ended")
    refused(await world.patch(f"/v1/members/{member}", {"phone": None}), 409, "membership_ended")


async def test_staff_expel_with_a_reason(world: Any, done: Any, refused: Any, published: Any) -> None:
    member = await world.member(world.school)
    path = f"/v1/members/{member}/expel"
    body = {
        "reason": "Нарушение Устава",
        "protocol_number": "5",
        "protocol_on": "2021-06-30",
        "effective_on": "2021-07-01",
    }
    refused(await world.client.post(path, json=body, headers=world.self(member)), 403, "forbidden")
    assert done(await world.client.post(path, json=body, headers=world.federal))["status"] == "expelled"
    (event,) = await published(MemberExpelled)
    assert event.status == "expelled"
    extract = done(await world.client.get(f"/v1/members/{member}/extract", headers=world.federal))
    (decision,) = extract["decisions"]
    assert (decision["kind"], decision["protocol_number"], decision["protocol_on"], decision["reason"]) == (
        "expelled",
        "5",
        "2021-06-30",
        "Нарушение Устава",
    )


async def test_each_consent_is_given_and_withdrawn_by_itself(
    world: Any, done: Any, refused: Any, published: Any
) -> None:
    member = await world.member(world.school, consents=["membership"])
    itself, path = world.self(member), f"/v1/members/{member}/consents"
    bonus = {"purpose": "bonus"}
    assert done(await world.client.post(path, json=bonus, headers=itself), 201)["version"] == 2
    refused(await world.client.post(path, json=bonus, headers=itself), 409, "consent_already_given")
    done(await world.client.post(f"{path}/bonus/withdraw", headers=itself))
    refused(await world.client.post(f"{path}/bonus/withdraw", headers=itself), 409, "consent_not_given")
    unknown = {"purpose": "cards", "text_version": "0"}
    refused(await world.client.post(path, json=unknown, headers=itself), 422, "consent_text_unknown")
    refused(await world.client.post(path, json=bonus, headers=world.federal), 422, "consent_on_paper_only")
    done(await world.client.post(path, json={**bonus, "channel": "paper"}, headers=world.federal), 201)
    given, withdrawn, again = await published(ConsentGiven, ConsentWithdrawn)
    assert (given.consents, withdrawn.consents, again.consents) == (
        ["bonus", "membership"],
        ["membership"],
        ["bonus", "membership"],
    )
    assert (given.purpose, withdrawn.version) == ("bonus", 3)
    view = done(await world.client.get(f"/v1/members/{member}", headers=itself))
    assert (view["status"], view["consents"]) == ("member", ["bonus", "membership"])


async def test_the_extract_holds_everything(world: Any, done: Any, refused: Any) -> None:
    member = await world.member(world.school, last_name="Кузнецова")
    await world.client.get(f"/v1/members/{member}", headers={**world.federal, "X-Purpose": "member_request"})
    extract = done(await world.client.get(f"/v1/members/{member}/extract", headers=world.self(member)))
    assert extract["person"]["last_name"] == "Кузнецова"
    assert "match_key" not in extract["person"]
    assert [stay["organisation_id"] for stay in extract["stays"]] == [str(world.school)]
    assert [consent["purpose"] for consent in extract["consents"]] == ["cards", "membership"]
    assert [row["status"] for row in extract["applications"]] == ["admitted"]
    assert [m["member_id"] for m in extract["memberships"]] == [member]
    assert extract["transfers"] == []
    assert [(row["by"], row["action"], row["purpose"]) for row in extract["accesses"]] == [
        ("applicant", "apply", None),
        ("federal_staff-1", "admit", None),
        ("federal_staff-1", "read_member", "member_request"),
    ]
    another = await world.member(world.school)
    refused(await world.client.get(f"/v1/members/{another}/extract", headers=world.self(member)), 404, "not_found")


async def test_who_decides_about_a_member_is_on_record(world: Any, done: Any, database: Database) -> None:
    member = await world.member(world.school, consents=["membership"])
    path = f"/v1/members/{member}"
    paper = {"purpose": "bonus", "channel": "paper"}
    done(await world.client.post(f"{path}/consents", json=paper, headers=world.federal), 201)
    done(await world.client.post(f"{path}/consents/bonus/withdraw", headers=world.self(member)))
    for decision in ("refuse", "accept"):
        release = {"member_id": member, "to_organisation_id": str(world.other), "effective_on": "2021-03-01"}
        transfer = done(await world.client.post("/v1/transfers", json=release, headers=world.federal), 201)
        body = {"reason": "Мест нет"} if decision == "refuse" else {"effective_on": "2021-03-02"}
        address = f"/v1/transfers/{transfer['transfer_id']}/{decision}"
        done(await world.client.post(address, json=body, headers=world.federal))
    expulsion = {"reason": "Нарушение Устава", "protocol_number": "5", "effective_on": "2021-07-01"}
    done(await world.client.post(f"{path}/expel", json=expulsion, headers=world.federal))
    async with database.sessions() as session:
        rows = await session.execute(sa.text("select subject, action from access_log order by access_id"))
    staff = "federal_staff-1"
    assert [tuple(row) for row in rows] == [
        ("applicant", "apply"),
        (staff, "admit"),
        (staff, "give_consent"),
        ("a-member", "withdraw_consent"),
        (staff, "release"),
        (staff, "refuse_transfer"),
        (staff, "release"),
        (staff, "accept_transfer"),
        (staff, "expel"),
    ]
