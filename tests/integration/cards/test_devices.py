"""A virtual card on a device: bound, shown, photographed, revoked; and the online check of all that."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from cards.devices import Device
from cards.models import Card
from common.testing import Client, TestIssuer
from tests.integration.cards.conftest import CardsOf, Deliver, Person, Region
from union_card_verifier import KeySet, StatusList, Verdict, verify


class Holder:
    """A member with a telephone, before a client."""

    def __init__(self, client: Client, headers: dict[str, str], card: Card) -> None:
        self.client, self.headers, self.card, self.path = client, headers, card, f"/v1/cards/{card.card_id}"

    async def register(self, device: Device) -> Any:
        body = {"public_key": device.public_key}
        return await self.client.post(f"{self.path}/devices", json=body, headers=self.headers)

    async def code(self, **query: Any) -> Any:
        return await self.client.get(f"{self.path}/qr", params=query, headers=self.headers)

    async def act(self, step: str, **body: str) -> Any:
        return await self.client.post(f"{self.path}/{step}", json=body or None, headers=self.headers)


@pytest.fixture
async def anna(region: Region, deliver: Deliver) -> Person:
    anna = Person(region.school)
    await deliver(anna.admitted())
    return anna


@pytest.fixture
async def holder(client: Client, issuer: TestIssuer, anna: Person, cards_of: CardsOf) -> Holder:
    (card,) = await cards_of(anna)
    return Holder(client, issuer.bearer("member", sub="anna", member_id=anna.member_id), card)


async def judge(client: Client, text: str, now: datetime | None = None) -> Verdict:
    keys = KeySet.read((await client.get("/.well-known/jwks.json")).json())
    statuses = StatusList.read((await client.get("/v1/status-list")).content, keys)
    return verify(text, keys, now or datetime.now(UTC), statuses)


async def online(client: Client, text: str) -> tuple[str, str]:
    answer = await client.post("/v1/verification", json={"code": text})
    assert answer.status_code == 200
    assert answer.json().keys() == {"colour", "reason"}
    return answer.json()["colour"], answer.json()["reason"]


async def test_a_bound_code_is_green_with_a_fresh_proof_of_its_device_and_red_without(
    client: Client, holder: Holder
) -> None:
    phone = Device.new()
    answer = await holder.register(phone)
    assert answer.status_code == 201
    device = answer.json()
    assert answer.headers["location"] == f"{holder.path}/devices/{device['device_id']}"
    assert (await client.get(answer.headers["location"], headers=holder.headers)).json() == device
    code = (await holder.code(device_id=device["device_id"])).text
    now = datetime.now(UTC)
    assert (await judge(client, phone.show(code, now), now)).colour == "green"
    assert (await judge(client, phone.show(code, now), now + timedelta(seconds=62))).reason == "screenshot"
    assert (await judge(client, code, now)).reason == "proof_missing"
    assert (await judge(client, Device.new().show(code, now), now)).reason == "proof_wrong"
    # Without a network the app shows it for weeks; then it fetches another.
    later = now + timedelta(days=29)
    assert (await judge(client, phone.show(code, later), later)).colour == "amber"
    later = now + timedelta(days=31)
    assert (await judge(client, phone.show(code, later), later)).reason == "expired"


async def test_a_code_without_a_device_dies_in_minutes(client: Client, holder: Holder) -> None:
    code, now = (await holder.code()).text, datetime.now(UTC)
    assert (await judge(client, code, now)).colour == "green"
    assert (await judge(client, code, now + timedelta(seconds=301))).reason == "expired"


async def test_a_card_is_on_two_devices_at_most_and_a_revoked_one_makes_room(holder: Holder) -> None:
    first, second = (await holder.register(Device.new())).json(), (await holder.register(Device.new())).json()
    third = await holder.register(Device.new())
    assert (third.status_code, third.json()["code"]) == (409, "devices_full")
    revoked = await holder.act(f"devices/{first['device_id']}/revoke")
    assert revoked.json()["revoked_at"] is not None
    again = await holder.act(f"devices/{first['device_id']}/revoke")
    assert (again.status_code, again.json()["code"]) == (409, "device_revoked")
    assert (await holder.register(Device.new())).status_code == 201
    listed = (await holder.client.get(f"{holder.path}/devices", headers=holder.headers)).json()["items"]
    assert [item["device_id"] for item in listed][:2] == [first["device_id"], second["device_id"]]
    refused = await holder.code(device_id=first["device_id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "device_revoked")
    assert (await holder.code(device_id=uuid4())).status_code == 404


async def test_a_key_that_is_no_point_of_the_curve_is_refused(holder: Holder) -> None:
    odd = {**Device.new().public_key, "y": "A" * 43}
    answer = await holder.client.post(f"{holder.path}/devices", json={"public_key": odd}, headers=holder.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "device_key_invalid")


async def test_plastic_and_ended_cards_take_no_device(
    client: Client, issuer: TestIssuer, holder: Holder, anna: Person, region: Region, cards_of: CardsOf
) -> None:
    order = {"organisation_id": str(region.school)}
    await client.post("/v1/plastic-batches", json=order, headers=issuer.bearer("federal_staff"))
    plastic = Holder(client, holder.headers, (await cards_of(anna))[1])
    refused = await plastic.register(Device.new())
    assert (refused.status_code, refused.json()["code"]) == (409, "plastic_has_no_device")
    await holder.act("block", reason="lost")
    refused = await holder.register(Device.new())
    assert (refused.status_code, refused.json()["code"]) == (409, "card_not_live")


async def test_the_online_check_tells_validity_at_once_and_takes_a_proof_once(
    client: Client, holder: Holder, deliver: Deliver, anna: Person
) -> None:
    phone = Device.new()
    device = (await holder.register(phone)).json()["device_id"]
    bound, plain = (await holder.code(device_id=device)).text, (await holder.code()).text
    shown = phone.show(bound, datetime.now(UTC))
    assert await online(client, shown) == ("green", "valid")
    assert await online(client, shown) == ("red", "replayed")
    assert await online(client, plain) == ("green", "valid")
    assert await online(client, plain) == ("green", "valid")
    assert await online(client, "UC1:NONSENSE") == ("red", "unreadable")
    await holder.act("suspend", reason="mislaid")
    assert await online(client, plain) == ("red", "suspended")
    await holder.act("resume")
    assert await online(client, plain) == ("green", "valid")
    await holder.act(f"devices/{device}/revoke")
    assert await online(client, phone.show(bound, datetime.now(UTC) + timedelta(seconds=5))) == (
        "red",
        "device_revoked",
    )
    await deliver(anna.left())
    assert await online(client, plain) == ("red", "blocked")


async def test_a_repeated_request_with_its_key_gets_the_first_answer_and_is_no_replay(
    client: Client, holder: Holder
) -> None:
    phone = Device.new()
    device = (await holder.register(phone)).json()["device_id"]
    shown = phone.show((await holder.code(device_id=device)).text, datetime.now(UTC))
    key = {"Idempotency-Key": "till-7-check-0001"}
    answers = [await client.post("/v1/verification", json={"code": shown}, headers=key) for _ in range(2)]
    assert [answer.json()["reason"] for answer in answers] == ["valid", "valid"]


async def test_the_online_check_is_limited(client: Client) -> None:
    """Sixty at once; what is allowed again while they run is little beside that."""
    taken = 0
    while (answer := await client.post("/v1/verification", json={"code": "x"})).status_code == 200:
        taken += 1
        assert taken < 300
    assert taken >= 60
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert int(answer.headers["retry-after"]) >= 1


async def test_the_keys_of_a_forgotten_person_are_forgotten(
    client: Client, issuer: TestIssuer, holder: Holder, anna: Person, deliver: Deliver, cards_of: CardsOf
) -> None:
    await holder.register(Device.new())
    await deliver(anna.erased())
    staff = issuer.bearer("federal_staff")
    assert (await client.get(f"{holder.path}/devices", headers=staff)).json()["items"] == []
    assert [(card.status, card.reason) for card in await cards_of(anna)] == [("blocked", "erased")]
