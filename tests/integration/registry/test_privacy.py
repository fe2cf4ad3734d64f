"""Nothing of a person is anywhere but in the person's row."""

import logging
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import Database

PERSON = {
    "last_name": "Преображенская",
    "first_name": "Евпраксия",
    "patronymic": "Дормидонтовна",
    "birth_date": "1977-11-23",
    "phone": "+79137654321",
    "email": "evpraxia@example.org",
}
NEW_PHONE = "+79138889900"
SECRETS = [*PERSON.values(), NEW_PHONE, "9137654321", "evpraxia", "преображенская"]


def further(world: Any) -> dict[str, Any]:
    return dict(world.application(world.university, **PERSON))


async def journey(world: Any, done: Any) -> None:
    receipt = await world.apply(world.school, **PERSON)
    headers = {**world.staff("primary_staff", world.school), "X-Purpose": "admission"}
    done(await world.client.get("/v1/applications", headers=headers))
    admit = f"/v1/applications/{receipt['application_id']}/admit"
    body = {"protocol_number": "1", "effective_on": "2021-02-02"}
    member = done(await world.client.post(admit, json=body, headers=headers))["member_id"]
    twin = await world.apply(world.other, **PERSON)
    refused = await world.client.post(
        f"/v1/applications/{twin['application_id']}/admit", json=body, headers=world.federal
    )
    assert refused.status_code == 409
    decline = f"/v1/applications/{twin['application_id']}/decline"
    done(await world.client.post(decline, json={"reason": "Уже состоит"}, headers=world.federal))
    broken = world.application(world.school, **{**PERSON, "sex": "?", "phone": PERSON["email"]})
    assert (await world.client.post("/v1/applications", json=broken)).status_code == 422
    unstorable = world.application(world.school, **{**PERSON, "last_name": "Преображенская\x00"})
    assert (await world.client.post("/v1/applications", json=unstorable)).status_code == 422
    again = [done(await world.client.post("/v1/applications", json=third), 201) for third in [further(world)] * 2]
    code = {"follow_code": again[1]["follow_code"]}
    done(await world.client.post("/v1/public/application/withdraw", json=code))
    path = f"/v1/members/{member}"
    correction = {"birth_date": PERSON["birth_date"], "patronymic": PERSON["patronymic"], "reason": "По паспорту"}
    done(await world.patch(path, {"phone": NEW_PHONE, "category": "pensioner", **correction}))
    election = {
        "member_id": member,
        "office": "chair",
        "starts_on": "2021-02-02",
        "ends_on": "2026-02-01",
        "protocol_number": "2",
        "protocol_on": "2021-02-02",
    }
    offices = f"/v1/organisations/{world.school}/offices"
    done(await world.client.post(offices, json=election, headers=world.federal), 201)
    done(await world.client.get("/v1/offices", headers=headers))
    paper = {
        **PERSON,
        "sex": "female",
        "consents": ["membership"],
        "protocol_number": "3",
        "namesake_confirmed": True,
    }
    entry = {**paper, "organisation_id": str(world.school), "effective_on": "2021-02-02"}
    entered = done(await world.client.post("/v1/members", json=entry, headers=headers), 201)
    expulsion = {"reason": "Так решено", "protocol_number": "4", "effective_on": "2021-03-01"}
    for decision in ("expel", "reinstate"):
        confirmed = {"namesake_confirmed": True} if decision == "reinstate" else {}
        address = f"/v1/members/{entered['member_id']}/{decision}"
        done(await world.client.post(address, json={**expulsion, **confirmed}, headers=headers))
    done(await world.client.get("/v1/members", headers=headers))
    done(await world.client.get(f"{path}/extract", headers=world.self(member)))
    done(await world.client.post(f"{path}/consents", json={"purpose": "bonus"}, headers=world.self(member)), 201)
    release = {"member_id": member, "to_organisation_id": str(world.other), "effective_on": "2021-03-01"}
    transfer = done(await world.client.post("/v1/transfers", json=release, headers=headers), 201)
    accept = f"/v1/transfers/{transfer['transfer_id']}/accept"
    done(await world.client.post(accept, json={"effective_on": "2021-03-02"}, headers=world.federal))
    leave = {"effective_on": "2021-04-01"}
    done(await world.client.post(f"{path}/leave", json=leave, headers=world.self(member)))


async def test_a_whole_journey_leaves_personal_data_in_the_person_table_alone(
    world: Any,
    done: Any,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        await journey(world, done)
    printed = capsys.readouterr()
    found = {"logs": printed.out + printed.err + caplog.text}
    async with database.sessions() as session:
        tables = await session.scalars(
            sa.text("select table_name from information_schema.tables where table_schema = 'public'")
        )
        for table in set(tables) - {"person"}:
            rows = (await session.execute(sa.text(f'select * from "{table}"'))).all()
            values = (value for row in rows for value in row)
            found[table] = "\n".join(
                value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in values
            )
    assert "/v1/members/{member_id}" in found["logs"]
    assert "registry.member_admitted.v1" in found["outbox"]
    assert '"status":"member"' in found["idempotency_key"]
    for place, text in found.items():
        for secret in SECRETS:
            assert secret.lower() not in text.lower(), f"{secret} is in {place}"
