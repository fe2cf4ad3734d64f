"""Cards and the bonus programme of the year, through the public APIs."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cards.cli_verify import EXIT_CODES
from cards.devices import Device
from union.demo import plastic
from union.demo.clients import Apis, in_parallel
from union.demo.progress import Stage
from union.demo.year import Played
from union_card_verifier import Bundle, KeySet, StatusList, verify

GREEN, RED = EXIT_CODES["green"], EXIT_CODES["red"]
_HEARD_SECONDS = 10.0
"""How long at most until every process knows of a step and of a rotation; the status list and the keys are read again
each two seconds."""
ON_A_DEVICE = {
    "shown by the device": "green valid",
    "screenshot of it, 70 s old": "red screenshot",
    "copy without a proof": "red proof_missing",
    "shown by another device": "red proof_wrong",
    "suspended": "red suspended",
    "resumed": "green valid",
    "after the rotation of keys, a code of the key before": "green valid",
    "after the rotation of keys, a new code": "green valid",
}


@dataclass
class CardsPlayed:
    virtual: int
    plastic: int
    plastic_with_names: int
    """Cards in the personalisation file, opened with the factory's key, that have their member's name."""
    plastic_handed_over: int
    plastic_unaccounted: int
    verified: int
    verified_green: int
    blocked_is_red: bool
    tampered_is_red: bool
    on_a_device: dict[str, str]
    """What a verifier without a network says of a code that is bound to a device, case by case."""


async def play_cards(apis: Apis, played: Played, out: Path, keys_folder: Path, stage: Stage) -> CardsPlayed:
    """A plastic batch, a lost card, and QR codes checked offline by `union card verify`."""
    federal = apis.bearer("federal_staff")
    live = await apis.pages("cards", "/v1/cards", federal, status="active")
    virtual = [card for card in live if card["form"] == "virtual"]

    # --- a plastic batch for the organisation with most cards ----------------------------------------------
    homes: dict[str, int] = {}
    for card in virtual:
        homes[card["organisation_id"]] = homes.get(card["organisation_id"], 0) + 1
    home = max(sorted(homes), key=lambda organisation: homes[organisation])
    before = KeySet.read((await apis.send("cards", "GET", "/.well-known/jwks.json")).json())
    # Another key comes to sign, made while the factory works: it is known long before it is used.
    batch, pinned = await asyncio.gather(plastic.play_batch(apis, played.region, home, keys_folder), _next_key())

    # --- QR codes: everybody's is fetched by its holder and checked without a network -----------------------
    keys, statuses = out / "jwks.json", out / "status-list.cwt"
    lost = virtual[0]
    holder = apis.bearer("member", member_id=lost["member_id"])
    lost_qr = await _qr(apis, lost)
    await apis.post("cards", f"/v1/cards/{lost['card_id']}/block", holder, {"reason": "lost"})
    await apis.post("cards", f"/v1/cards/{lost['card_id']}/replace", holder)
    keys.write_bytes((await apis.send("cards", "GET", "/.well-known/jwks.json")).content)
    statuses.write_bytes((await apis.send("cards", "GET", "/v1/status-list")).content)
    sample = virtual[1:41]
    with stage.bar("QR codes", len(sample)) as done:
        codes = await in_parallel(sample, lambda card: _qr(apis, card), done=done)
    green = _verify_all(codes, keys, statuses)
    asked = (codes[0], lost_qr, _tampered(codes[0]))
    device, (good, lost_code, tampered) = await asyncio.gather(
        _device_case(apis, virtual[41], codes[0], (before, pinned), out),
        asyncio.gather(*(asyncio.to_thread(_verify_by_command, code, keys, statuses) for code in asked)),
    )
    return CardsPlayed(
        virtual=len(virtual),
        plastic=batch["ordered"],
        plastic_with_names=batch["personalised_with_names"],
        plastic_handed_over=batch["handed_over"],
        plastic_unaccounted=batch["difference"],
        verified=len(codes),
        verified_green=green if good == GREEN else 0,
        blocked_is_red=lost_code == RED,
        tampered_is_red=tampered == RED,
        on_a_device=device,
    )


async def _next_key() -> KeySet:
    """Makes the key that is to sign next; the root that a verifier pins."""
    await _card_keys("create")
    pinned, _ = await asyncio.gather(_card_keys("root"), _card_keys("certify"))
    return KeySet.read(json.loads(pinned))


async def _device_case(
    apis: Apis, card: dict[str, Any], earlier: str, trusted: tuple[KeySet, KeySet], out: Path
) -> dict[str, str]:
    """A card on a telephone: shown, photographed, copied, suspended and resumed, judged offline each time.

    Meanwhile another key comes to sign: an `earlier` code, of the key before, stays as green. `trusted` are the keys
    before and the root.
    """
    before, root = trusted
    holder = apis.bearer("member", member_id=card["member_id"])
    path, phone = f"/v1/cards/{card['card_id']}", Device.new()
    device = await apis.post("cards", f"{path}/devices", holder, {"public_key": phone.public_key})
    by_device = {"device_id": device["device_id"]}

    async def judged(text: str) -> str:
        bundle = (await apis.send("cards", "GET", "/v1/verification/bundle")).content
        (out / "bundle.cbor").write_bytes(bundle)
        opened, now = Bundle.read(bundle, root, datetime.now(UTC)), datetime.now(UTC)
        verdict = verify(text, opened.keys, now, opened.status_list)
        return f"{verdict.colour} {verdict.reason}"

    async def fresh() -> str:
        return (await apis.send("cards", "GET", f"{path}/qr", holder, params=by_device)).text

    async def changed(said_before: str) -> str:
        """What is said of the telephone's code once it is something else, or in the end."""
        return await _soon(lambda: judged(phone.show(code, datetime.now(UTC))), lambda said: said != said_before)

    code, now = await fresh(), datetime.now(UTC)
    told = {
        "shown by the device": await judged(phone.show(code, now)),
        "screenshot of it, 70 s old": await judged(phone.show(code, now - timedelta(seconds=70))),
        "copy without a proof": await judged(code),
        "shown by another device": await judged(Device.new().show(code, now)),
    }
    await apis.post("cards", f"{path}/suspend", holder, {"reason": "mislaid"})
    told["suspended"], _ = await asyncio.gather(changed("green valid"), _card_keys("rotate"))
    await apis.post("cards", f"{path}/resume", holder)
    told["resumed"] = await changed(told["suspended"])
    told["after the rotation of keys, a code of the key before"] = await judged(earlier)
    late = await _soon(fresh, lambda text: _key_is_new(text, before))
    said = await judged(phone.show(late, datetime.now(UTC)))
    told["after the rotation of keys, a new code"] = said if _key_is_new(late, before) else "of the key before"
    return told


def _key_is_new(code: str, before: KeySet) -> bool:
    return verify(code, before, datetime.now(UTC), None).reason == "unknown_key"


async def _soon(ask: Callable[[], Awaitable[str]], holds: Callable[[str], bool]) -> str:
    """The first answer of which `holds` is true, or the last one within the time."""
    deadline, answer = time.monotonic() + _HEARD_SECONDS, await ask()
    while not holds(answer) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        answer = await ask()
    return answer


async def _card_keys(*arguments: str) -> str:
    """`union card keys …`; its output."""
    command = [sys.executable, "-m", "union", "card", "keys", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True, text=True)
    return str(done.stdout)


def _tampered(code: str) -> str:
    middle = len(code) // 2
    return code[:middle] + ("A" if code[middle] != "A" else "B") + code[middle + 1 :]


async def _qr(apis: Apis, card: dict[str, Any]) -> str:
    holder = apis.bearer("member", member_id=card["member_id"])
    path = f"/v1/cards/{card['card_id']}/qr"
    return (await apis.send("cards", "GET", path, holder, headers={"Accept": "text/plain"})).text


def _verify_all(codes: Sequence[str], keys: Path, statuses: Path) -> int:
    trusted = KeySet.read(json.loads(keys.read_text()))
    listed = StatusList.read(statuses.read_bytes(), trusted)
    return sum(verify(code, trusted, datetime.now(UTC), listed).colour == "green" for code in codes)


def _verify_by_command(code: str, keys: Path, statuses: Path) -> int:
    command = [sys.executable, "-m", "union", "card", "verify", code, "--jwks", str(keys)]
    return subprocess.run([*command, "--status-list", str(statuses)], capture_output=True, check=False).returncode
