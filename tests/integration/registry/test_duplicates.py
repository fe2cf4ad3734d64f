"""Doubles are found however they came in, shown as far as one's right goes, and decided once."""

import os
import random
import time
from datetime import date
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from uuid_utils.compat import uuid7

from common.db import Database, raw
from common.events.registry import MemberAdmitted
from registry.commands.alike import alike
from registry.matching import Identity
from registry.rules import match_key
from tests.integration.registry.care import examine, queue
from tests.unit.registry.population_made import Made, people, second_writings

ANNA = {"last_name": "Королёва", "first_name": "Алёна", "patronymic": "Петровна", "birth_date": "1980-03-05"}
TYPO = {**ANNA, "last_name": "Королевва"}
TWIN = {**ANNA, "first_name": "Ирина"}
NAMESAKE = {**ANNA, "birth_date": "1975-07-28"}


async def slip_in(world: Any, database: Database, organisation: Any, **fields: Any) -> str:
    """A member whose name becomes that of another only after the admission: nobody was asked."""
    member = await world.member(organisation)
    async with database.sessions.begin() as session:
        values = {**fields, "birth_date": date.fromisoformat(fields["birth_date"])}
        await session.execute(
            sa.text(
                "update person set last_name = :last_name, first_name = :first_name, patronymic = :patronymic,"
                " birth_date = :birth_date, match_key = :key from member"
                " where member.person_id = person.person_id and member_id = :member"
            ),
            {
                **values,
                "member": member,
                "key": match_key(
                    fields["last_name"], fields["first_name"], fields["patronymic"], values["birth_date"]
                ),
            },
        )
    return str(member)


async def test_a_late_double_is_proposed_with_its_evidence_in_words(
    world: Any, done: Any, database: Database, settings: Any
) -> None:
    await world.member(world.school, **ANNA)
    await examine(database, settings)
    assert await queue(world) == []
    await slip_in(world, database, world.other, **TYPO)
    await examine(database, settings)
    (pair,) = await queue(world)
    assert (pair["status"], pair["strength"], pair["found_when"]) == ("open", "likely", "late")
    assert {item["code"]: item["detail"] for item in pair["evidence"]} == {
        "same_birth_date": "The birth date is the same.",
        "one_typo_in_last_name": "The surnames are one misprint apart.",
    }
    await examine(database, settings)
    assert len(await queue(world)) == 1


async def test_twins_and_namesakes_are_not_proposed(world: Any, database: Database, settings: Any) -> None:
    for fields in (ANNA, TWIN, NAMESAKE):
        await world.member(world.school, **fields)
    await examine(database, settings)
    assert await queue(world) == []


async def test_an_admission_is_refused_while_a_member_is_one_misprint_away(
    world: Any, done: Any, refused: Any, database: Database, settings: Any
) -> None:
    await world.member(world.school, **ANNA)
    await examine(database, settings)
    receipt = await world.apply(world.other, **TYPO)
    path = f"/v1/applications/{receipt['application_id']}/admit"
    body = {"protocol_number": "7", "effective_on": "2021-02-01"}
    refused(await world.client.post(path, json=body, headers=world.federal), 409, "already_member")
    await examine(database, settings)
    (pair,) = await queue(world)
    shown = done(await world.client.get(f"/v1/duplicates/{pair['duplicate_id']}", headers=world.federal))
    assert {side["application_id"] for side in shown["sides"]} == {None, receipt["application_id"]}
    confirmed = {**body, "namesake_confirmed": True}
    done(await world.client.post(path, json=confirmed, headers=world.federal))
    await examine(database, settings)
    assert await queue(world) == []
    (remembered,) = await queue(world, status="not_same")
    assert remembered["duplicate_id"] == pair["duplicate_id"]


async def test_what_is_decided_is_not_proposed_again(
    world: Any, done: Any, refused: Any, database: Database, settings: Any
) -> None:
    first = await world.member(world.school, **ANNA)
    await slip_in(world, database, world.school, **TYPO)
    await examine(database, settings)
    (pair,) = await queue(world)
    path = f"/v1/duplicates/{pair['duplicate_id']}/not-same"
    assert done(await world.client.post(path, headers=world.federal))["status"] == "not_same"
    refused(await world.client.post(path, headers=world.federal), 409, "duplicate_decided")
    done(await world.patch(f"/v1/members/{first}", {"phone": "+79130000001"}))
    await examine(database, settings)
    assert await queue(world) == []


async def test_of_the_other_record_one_sees_no_more_than_ones_right(
    world: Any, done: Any, refused: Any, database: Database, settings: Any
) -> None:
    mine = await world.member(world.school, **ANNA)
    other = await slip_in(world, database, world.other, **TYPO)
    await examine(database, settings)
    chair = world.staff("primary_staff", world.school)
    (pair,) = await queue(world, chair)
    path = f"/v1/duplicates/{pair['duplicate_id']}"
    shown = done(await world.client.get(path, headers={**chair, "X-Purpose": "duplicates"}))
    near, far = sorted(shown["sides"], key=lambda side: not side["within_reach"])
    assert (near["member_id"], near["last_name"], near["organisation_id"]) == (mine, "Королёва", str(world.school))
    assert {value for name, value in far.items() if name not in ("within_reach", "consents")} == {None}
    assert far["consents"] == []
    async with database.sessions() as session:
        seen = await session.scalars(
            sa.text(
                "select unnest(whose) from access_log where action = 'read_duplicate' and purpose = 'duplicates'"
            )
        )
        assert [str(key) for key in seen] == [mine]
    refused(await world.client.post(f"{path}/not-same", headers=chair), 403, "other_record_out_of_reach")
    body = {"survivor_member_id": mine, "absorbed_member_id": other, "reason": "Одна"}
    refused(await world.client.post("/v1/merges", json=body, headers=chair), 404, "not_found")
    handed = done(await world.client.post(f"{path}/hand-over", headers=chair))
    assert handed["handed_to"] == str(world.town)
    town = world.staff("territorial_staff", world.town)
    assert [each["duplicate_id"] for each in await queue(world, town, handed_over=True)] == [pair["duplicate_id"]]
    both = done(await world.client.get(path, headers=town))
    assert {side["member_id"] for side in both["sides"]} == {mine, other}
    assert done(await world.client.post(f"{path}/not-same", headers=town))["status"] == "not_same"
    university = world.staff("primary_staff", world.university)
    refused(await world.client.get(path, headers=university), 404, "not_found")
    assert await queue(world, university, status="not_same") == []


async def test_the_importer_may_ask_who_is_alike(world: Any, database: Database, settings: Any) -> None:
    member = await world.member(world.school, **ANNA)
    await examine(database, settings)
    born = date.fromisoformat(ANNA["birth_date"])
    asked = [
        Identity("КОРОЛЕВА", "алена", "Петровна", born),
        Identity("Королёва", "Ирина", "Петровна", born),
        Identity("Королёва", "Алёна", None, born),
    ]
    async with database.sessions() as session:
        found = await alike(session, asked)
    told = [[(str(one.member_id), one.judgement.kind) for one in others.values()] for others in found]
    assert told == [[(member, "strong")], [], [(member, "likely")]]


def key_of(made: Made) -> str:
    return match_key(made.last, made.first, made.patronymic, made.birth)


async def test_three_thousand_late_people_are_examined_in_sets(
    world: Any, database: Database, settings: Any, published: Any
) -> None:
    """As an import leaves them: written by COPY, unexamined. The pairs found are the true ones."""
    seed = int(os.environ.get("UNION_TEST_SEED", "20261123"))
    print(f"repeat with UNION_TEST_SEED={seed}")
    dice = random.Random(seed)
    firsts = people(dice, 2700)
    records = [*firsts, *second_writings(dice, firsts, 0.11)]
    of_person = {uuid7(): made for made in records}
    async with database.sessions.begin() as session:
        driver = await raw(await session.connection())
        await driver.copy_records_to_table(
            "person",
            columns=[
                "person_id",
                "last_name",
                "first_name",
                "patronymic",
                "birth_date",
                "sex",
                "phone",
                "match_key",
            ],
            records=[
                (
                    key,
                    m.last,
                    m.first,
                    m.patronymic,
                    m.birth,
                    m.sex,
                    m.phone,
                    match_key(m.last, m.first, m.patronymic, m.birth),
                )
                for key, m in of_person.items()
            ],
        )
        await driver.copy_records_to_table(
            "member",
            columns=["member_id", "person_id", "organisation_id", "status", "birth_year", "joined_on", "version"],
            records=[
                (uuid4(), key, world.school, "member", m.birth.year, date(2021, 1, 1), 1)
                for key, m in of_person.items()
            ],
        )
    begun = time.perf_counter()
    await examine(database, settings)
    seconds = time.perf_counter() - begun
    async with database.sessions() as session:
        rows = (await session.execute(sa.text("select person_id, other_person_id, strength from duplicate"))).all()
        left = await session.scalar(sa.text("select count(*) from person where examined_at is null"))
    assert left == 0
    pairs = [(of_person[row.person_id].who == of_person[row.other_person_id].who, row.strength) for row in rows]
    right = sum(same for same, _ in pairs)
    sure = [same for same, strength in pairs if strength != "weak"]
    true_pairs = len(records) - len(firsts)
    print(
        f"{len(records)} people in {seconds:.1f} s; {true_pairs} true pairs:"
        f" recall {right / true_pairs:.4f}, precision {sum(sure) / len(sure):.4f} (strong and likely)"
    )
    assert right / true_pairs >= 0.98
    assert sum(sure) / len(sure) >= 0.98
    assert await published(MemberAdmitted) == []
