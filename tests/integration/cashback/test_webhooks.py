"""Partners' addresses by the Standard Webhooks scheme: a real receiver, and that scheme's own library as verifier."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from cashback import sending
from cashback.config import CashbackSettings
from cashback.errors import AddressNotAllowed
from cashback.main import service as cashback
from common.db import Database
from common.rounds import run_errand
from common.testing import eventually
from tests.hook import Hook

SECOND = timedelta(seconds=1)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with Hook.open() as server:
        yield server


@pytest.fixture
async def campaign_id(world: Any) -> UUID:
    await world.partner()
    return await world.campaign()  # type: ignore[no-any-return]


async def listen(world: Any, hook: Hook) -> tuple[str, str]:
    """An address with a secret; returns its id and the secret."""
    made = await world.client.post("/v1/webhooks", json={"url": hook.url}, headers=world.as_partner())
    assert made.status_code == 201, made.text
    assert "secret" not in made.text.replace("has_secret", "")
    webhook_id = made.json()["webhook_id"]
    return webhook_id, await new_secret(world, webhook_id)


async def new_secret(world: Any, webhook_id: str) -> str:
    path = f"/v1/webhooks/{webhook_id}"
    read = await world.client.get(path, headers=world.as_partner())
    headers = {**world.as_partner(), "If-Match": read.headers["etag"]}
    answer = await world.client.put(f"{path}/secret", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["secret"])


async def read(world: Any, path: str) -> Any:
    answer = await world.client.get(f"/v1/{path}", headers=world.as_partner())
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_change_of_a_purchase_arrives_signed_as_the_scheme_says(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any
) -> None:
    webhook_id, secret = await listen(world, hook)
    member_id = await world.participant()
    purchase = await world.bought(member_id, campaign_id)
    await pass_time(datetime.now(UTC))
    [(headers, body)] = hook.received
    told = Verifier(secret).verify(body, headers)
    assert told["type"] == "cashback.partner_purchase_changed.v1"
    assert (told["data"]["purchase_id"], told["data"]["status"]) == (purchase, "pending")
    assert str(member_id) not in body.decode() + json.dumps(headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(body.replace(b"pending", b"refused"), headers)
    with pytest.raises(WebhookVerificationError):
        Verifier("whsec_" + "A" * 43 + "=").verify(body, headers)
    [delivery] = (await read(world, f"webhooks/{webhook_id}/deliveries"))["items"]
    assert (delivery["state"], delivery["attempts"], delivery["delivery_id"]) == (
        "delivered",
        1,
        headers["webhook-id"],
    )
    # Nothing more is sent for it.
    await pass_time(datetime.now(UTC) + timedelta(days=2))
    assert len(hook.received) == 1


async def test_a_failure_is_tried_again_later_and_later_under_the_same_id(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any
) -> None:
    webhook_id, secret = await listen(world, hook)
    await world.bought(await world.participant(), campaign_id)
    hook.statuses = [500, 307, 503, 200]
    now = datetime.now(UTC)
    for wait in (timedelta(0), *sending.BACK_OFF[:3]):
        # Not before its time …
        await pass_time(now + wait * 0.9 - SECOND if wait else now - SECOND * 60)
        before = len(hook.received)
        now += wait * 1.1 + SECOND
        await pass_time(now)
        assert len(hook.received) == before + 1
    assert len({headers["webhook-id"] for headers, _ in hook.received}) == 1
    assert len({body for _, body in hook.received}) == 1
    for headers, body in hook.received:
        Verifier(secret).verify(body, headers)
    [delivery] = (await read(world, f"webhooks/{webhook_id}/deliveries"))["items"]
    log = await read(world, f"webhook-deliveries/{delivery['delivery_id']}")
    # A redirection is not followed: it is no 2xx.
    assert [one["status"] for one in log["tries"]] == [500, 307, 503, 200]
    assert (log["state"], (await read(world, f"webhooks/{webhook_id}"))["failing_since"]) == ("delivered", None)


async def test_a_crash_between_sending_and_noting_sends_it_again_under_the_same_id(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook_id, secret = await listen(world, hook)
    await world.bought(await world.participant(), campaign_id)

    class Killed(BaseException):
        pass

    async def dies(*_: Any) -> None:
        raise Killed

    now = datetime.now(UTC)
    with monkeypatch.context() as patch:
        patch.setattr("cashback.sending._note", dies)
        with pytest.raises(Killed):
            await pass_time(now)
    assert len(hook.received) == 1
    # Another worker does not send it while the lease lasts, for the first one may still be at it …
    await pass_time(now + timedelta(seconds=50))
    assert len(hook.received) == 1
    # … and does when it is over.
    await pass_time(now + timedelta(seconds=70))
    (first, body), (second, again) = hook.received
    assert (first["webhook-id"], body) == (second["webhook-id"], again)
    Verifier(secret).verify(again, second)
    [delivery] = (await read(world, f"webhooks/{webhook_id}/deliveries"))["items"]
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)
    log = await read(world, f"webhook-deliveries/{delivery['delivery_id']}")
    assert [one["number"] for one in log["tries"]] == [2], "nobody knows what became of the first"
    await pass_time(now + timedelta(days=3))
    assert len(hook.received) == 2


async def test_while_an_address_is_slow_no_transaction_is_open_and_others_are_told(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow this machine is, the slow address is not given up meanwhile.
    monkeypatch.setattr(sending, "_LONGEST", 150.0)
    monkeypatch.setattr(sending, "_TIMEOUT", httpx.Timeout(150.0))
    await listen(world, hook)
    hook.open_gate = asyncio.Event()
    async with Hook.open() as quick:
        await listen(world, quick)
        member_id = await world.participant()
        for _ in range(8):
            await world.bought(member_id, campaign_id)
        passing = asyncio.create_task(pass_time(datetime.now(UTC)))

        async def all_quick_ones() -> bool:
            return len(quick.received) == 8

        await eventually(all_quick_ones)
        # Bounded for one address: the slow one holds five of the worker's hands, not all of them.
        assert len(hook.received) == 5

        async def all_noted() -> bool:
            async with database.sessions() as session:
                noted = await session.scalar(sa.text("select count(*) from webhook_attempt"))
            return bool(noted == 8)

        await eventually(all_noted)

        async def none_is_open() -> bool:
            async with database.sessions() as session:
                held = await session.scalar(
                    sa.text(
                        "select count(*) from pg_stat_activity where datname = current_database()"
                        " and state like 'idle in transaction%' and pid <> pg_backend_pid()"
                    )
                )
            return bool(held == 0)

        await eventually(none_is_open)
        assert len(hook.received) == 5
        assert not passing.done()
        hook.open_gate.set()
        await passing
    assert len({headers["webhook-id"] for headers, _ in hook.received}) == len(hook.received) == 8


async def test_many_workers_at_once_send_each_message_once(
    world: Any, campaign_id: UUID, hook: Hook, database: Database, settings: CashbackSettings
) -> None:
    await listen(world, hook)
    member_id = await world.participant()
    for _ in range(12):
        await world.bought(member_id, campaign_id)
    now = datetime.now(UTC)
    errand = next(iter(cashback.errands))
    await asyncio.gather(*(run_errand(database, settings, errand, now) for _ in range(3)))
    assert len({headers["webhook-id"] for headers, _ in hook.received}) == len(hook.received) == 12


async def test_an_address_that_only_fails_is_disabled_and_misses_nothing(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any
) -> None:
    webhook_id, _ = await listen(world, hook)
    member_id = await world.participant()
    await world.bought(member_id, campaign_id)
    hook.statuses = [500]
    now = datetime.now(UTC)
    for hours in range(0, 24 * 7, 3):
        await pass_time(now + timedelta(hours=hours))
    tried = len(hook.received)
    assert 5 < tried <= len(sending.BACK_OFF) + 1
    webhook = await read(world, f"webhooks/{webhook_id}")
    assert webhook["status"] == "enabled", "one message that is given up is not five days of failures"
    await world.bought(member_id, campaign_id)
    await pass_time(now + timedelta(days=8))
    webhook = await read(world, f"webhooks/{webhook_id}")
    assert (webhook["status"], webhook["disabled_reason"]) == ("disabled", "failing")
    third = await world.bought(member_id, campaign_id)
    await pass_time(now + timedelta(days=9))
    assert len(hook.received) == tried + 1
    hook.statuses, hook.received = [200], []
    headers = {**world.as_partner(), "If-Match": f'"{webhook["version"]}"'}
    await world.client.patch(f"/v1/webhooks/{webhook_id}", json={"status": "enabled"}, headers=headers)
    await pass_time(now + timedelta(days=9, hours=1))
    assert len(hook.received) == 2
    assert third in {json.loads(body)["data"]["purchase_id"] for _, body in hook.received}
    since = {"since": (now - timedelta(days=1)).isoformat()}
    again = await world.client.post(f"/v1/webhooks/{webhook_id}/redeliver", json=since, headers=world.as_partner())
    assert again.json() == {"deliveries": 1}
    await pass_time(now + timedelta(days=9, hours=2))
    assert len(hook.received) == 3


async def test_an_address_that_is_gone_says_so_once(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any
) -> None:
    webhook_id, _ = await listen(world, hook)
    await world.bought(await world.participant(), campaign_id)
    hook.statuses = [410]
    await pass_time(datetime.now(UTC))
    webhook = await read(world, f"webhooks/{webhook_id}")
    assert (webhook["status"], webhook["disabled_reason"]) == ("disabled", "gone")


async def test_a_message_is_sent_again_on_request(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any
) -> None:
    webhook_id, secret = await listen(world, hook)
    await world.bought(await world.participant(), campaign_id)
    await pass_time(datetime.now(UTC))
    [delivery] = (await read(world, f"webhooks/{webhook_id}/deliveries"))["items"]
    path = f"/v1/webhook-deliveries/{delivery['delivery_id']}/redeliver"
    assert (await world.client.post(path, headers=world.as_partner())).json()["state"] == "waiting"
    await pass_time(datetime.now(UTC) + SECOND * 2)
    first, second = hook.received
    assert (first[0]["webhook-id"], first[1]) == (second[0]["webhook-id"], second[1])
    Verifier(secret).verify(second[1], second[0])


async def test_while_a_secret_is_changed_both_are_good_for_a_day(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any, database: Database
) -> None:
    webhook_id, old = await listen(world, hook)
    new = await new_secret(world, webhook_id)
    member_id = await world.participant()
    await world.bought(member_id, campaign_id)
    await pass_time(datetime.now(UTC))
    headers, body = hook.received[0]
    for secret in (old, new):
        Verifier(secret).verify(body, headers)
    await world.bought(member_id, campaign_id)
    await pass_time(datetime.now(UTC) + timedelta(days=1, seconds=1))
    headers, body = hook.received[1]
    Verifier(new).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(old).verify(body, headers)
    # It is kept nowhere: not in a row, not among the answers that are kept for replay.
    async with database.sessions() as session:
        for table in ("webhook", "idempotency_key", "webhook_delivery"):
            kept = await session.scalar(sa.text(f"select coalesce(string_agg(t::text, ' '), '') from {table} t"))
            assert new.removeprefix("whsec_") not in kept


async def test_without_a_secret_nothing_is_sent_and_what_waited_goes_out_with_it(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any
) -> None:
    made = await world.client.post("/v1/webhooks", json={"url": hook.url}, headers=world.as_partner())
    await world.bought(await world.participant(), campaign_id)
    await pass_time(datetime.now(UTC))
    assert hook.received == []
    await new_secret(world, made.json()["webhook_id"])
    await pass_time(datetime.now(UTC) + SECOND * 2)
    assert len(hook.received) == 1


async def test_a_refused_report_and_another_partners_purchase_send_nothing(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any
) -> None:
    await listen(world, hook)
    await world.partner("films")
    elsewhere = await world.campaign("films")
    click = (await world.click(await world.participant(), elsewhere)).json()["click_id"]
    assert (await world.report(click)).status_code == 404
    assert (await world.report(click, partner="films")).status_code == 201
    await pass_time(datetime.now(UTC))
    assert hook.received == []


async def test_what_was_sent_is_forgotten_after_its_days(
    world: Any, campaign_id: UUID, hook: Hook, pass_time: Any
) -> None:
    webhook_id, _ = await listen(world, hook)
    await world.bought(await world.participant(), campaign_id)
    await pass_time(datetime.now(UTC))
    await pass_time(datetime.now(UTC) + timedelta(days=31))
    assert (await read(world, f"webhooks/{webhook_id}/deliveries"))["items"] == []


async def test_a_partner_has_ten_addresses_at_most_and_deletes_one_with_its_version(
    world: Any, campaign_id: UUID, hook: Hook, refusal: Any
) -> None:
    for _ in range(10):
        webhook_id, _ = await listen(world, hook)
    full = await world.client.post("/v1/webhooks", json={"url": hook.url}, headers=world.as_partner())
    assert refusal(full) == (409, "too_many_webhooks")
    path = f"/v1/webhooks/{webhook_id}"
    assert refusal(await world.client.delete(path, headers=world.as_partner())) == (428, "if_match_required")
    gone = await world.client.delete(path, headers={**world.as_partner(), "If-Match": '"2"'})
    assert gone.status_code == 204
    assert len((await read(world, "webhooks"))["items"]) == 9


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.215.14/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.1.2.3/",
        "https://192.168.0.9/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[2002:7f00:1::]/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://user@93.184.215.14/",
        "https://no-such-host.invalid/",
        "https://2130706433/",
        "ftp://93.184.215.14/",
    ],
)
async def test_an_address_in_our_own_network_or_without_tls_is_refused(url: str) -> None:
    with pytest.raises(AddressNotAllowed):
        await sending.allowed_address(url, local=False)


async def test_a_name_is_reached_at_the_address_that_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with one address within is refused whole; a good one is connected to by the address itself."""

    def resolving(*addresses: str) -> Any:
        async def getaddrinfo(*_: Any, **__: Any) -> Any:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]

        return type("Loop", (), {"getaddrinfo": staticmethod(getaddrinfo)})

    monkeypatch.setattr("cashback.sending.asyncio.get_running_loop", lambda: resolving("93.184.215.14"))
    assert await sending.allowed_address("https://shop.example/", local=False) == "93.184.215.14"
    monkeypatch.setattr(
        "cashback.sending.asyncio.get_running_loop", lambda: resolving("93.184.215.14", "10.0.0.1")
    )
    with pytest.raises(AddressNotAllowed):
        await sending.allowed_address("https://shop.example/", local=False)


class TestInProduction:
    @pytest.fixture
    def extra_settings(self, extra_settings: dict[str, Any]) -> dict[str, Any]:
        return {**extra_settings, "webhook_local_targets": False}

    async def test_neither_a_new_address_nor_one_known_from_before_reaches_our_network(
        self, world: Any, campaign_id: UUID, hook: Hook, pass_time: Any, refusal: Any, database: Database
    ) -> None:
        refused = await world.client.post("/v1/webhooks", json={"url": hook.url}, headers=world.as_partner())
        assert refusal(refused) == (422, "address_not_allowed")
        public = {"url": "https://93.184.215.14/hook"}
        made = await world.client.post("/v1/webhooks", json=public, headers=world.as_partner())
        await new_secret(world, made.json()["webhook_id"])
        async with database.sessions.begin() as session:
            await session.execute(sa.text("update webhook set url = :url"), {"url": hook.url})
        await world.bought(await world.participant(), campaign_id)
        await pass_time(datetime.now(UTC))
        [delivery] = (await read(world, f"webhooks/{made.json()['webhook_id']}/deliveries"))["items"]
        log = await read(world, f"webhook-deliveries/{delivery['delivery_id']}")
        assert ([one["error"] for one in log["tries"]], hook.received) == (["address_not_allowed"], [])
