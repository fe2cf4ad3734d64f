"""Cards and the bonus programme of the year, through the public APIs."""

import asyncio
import base64
import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cards.cli import EXIT_CODES
from cards.devices import Device
from union.demo import plastic
from union.demo.clients import Apis, in_parallel
from union.demo.progress import Stage
from union.demo.year import YEAR, Played, day
from union_card_verifier import Bundle, KeySet, StatusList, verify

GREEN, RED = EXIT_CODES["green"], EXIT_CODES["red"]
CAMPAIGN_BUDGET = 50_000_000
"""Kopecks of cashback that a campaign may give."""
_HEARD_SECONDS = 2.1
"""How soon every process knows of a step and of a rotation: the refresh of the status list and of the keys."""
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
    batch = await plastic.play_batch(apis, played.region, home, keys_folder)

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
    device = await _device_case(apis, virtual[41], codes, out)
    asked = (codes[0], lost_qr, _tampered(codes[0]))
    good, lost_code, tampered = await asyncio.gather(
        *(asyncio.to_thread(_verify_by_command, code, keys, statuses) for code in asked)
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


async def _device_case(apis: Apis, card: dict[str, Any], earlier: Sequence[str], out: Path) -> dict[str, str]:
    """A card on a telephone: shown, photographed, copied, suspended and resumed, judged offline each time.

    Meanwhile another key comes to sign: `earlier` codes, of the key before, stay as green.
    """
    holder = apis.bearer("member", member_id=card["member_id"])
    path, phone = f"/v1/cards/{card['card_id']}", Device.new()
    device = await apis.post("cards", f"{path}/devices", holder, {"public_key": phone.public_key})
    by_device = {"device_id": device["device_id"]}
    code = (await apis.send("cards", "GET", f"{path}/qr", holder, params=by_device)).text
    await _card_keys("create")
    pinned, _ = await asyncio.gather(_card_keys("root"), _card_keys("certify"))
    root = KeySet.read(json.loads(pinned))

    async def judged(text: str) -> str:
        bundle = (await apis.send("cards", "GET", "/v1/verification/bundle")).content
        (out / "bundle.cbor").write_bytes(bundle)
        opened, now = Bundle.read(bundle, root, datetime.now(UTC)), datetime.now(UTC)
        verdict = verify(text, opened.keys, now, opened.status_list)
        return f"{verdict.colour} {verdict.reason}"

    now = datetime.now(UTC)
    told = {
        "shown by the device": await judged(phone.show(code, now)),
        "screenshot of it, 70 s old": await judged(phone.show(code, now - timedelta(seconds=70))),
        "copy without a proof": await judged(code),
        "shown by another device": await judged(Device.new().show(code, now)),
    }
    await apis.post("cards", f"{path}/suspend", holder, {"reason": "mislaid"})
    await _card_keys("rotate")
    await asyncio.sleep(_HEARD_SECONDS)
    told["suspended"] = await judged(phone.show(code, datetime.now(UTC)))
    await apis.post("cards", f"{path}/resume", holder)
    await asyncio.sleep(_HEARD_SECONDS)
    told["resumed"] = await judged(phone.show(code, datetime.now(UTC)))
    told["after the rotation of keys, a code of the key before"] = await judged(earlier[0])
    late = (await apis.send("cards", "GET", f"{path}/qr", holder, params=by_device)).text
    told["after the rotation of keys, a new code"] = await judged(phone.show(late, datetime.now(UTC)))
    return told


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


async def play_cashback(apis: Apis, played: Played, dice: random.Random, stage: Stage) -> dict[str, int]:
    """Two partners, campaigns, enrolment, clicks, purchases, confirmations, a decline, a refund, payouts."""
    federal = apis.bearer("federal_staff")
    campaigns: dict[str, dict[str, Any]] = {}
    for partner, name, points in (("knigomir", "Книгомир", 500), ("shkolny-dvor", "Школьный двор", 300)):
        url = f"https://{partner}.example/welcome"
        body = {"partner": partner, "name": name, "hold_days": 14, "landing_url": url}
        await apis.post("cashback", "/v1/partners", federal, body)
        campaign = {
            "partner": partner,
            "title": f"{name}: осень",
            "basis_points": points,
            "min_basket": 50_000,
            "cap_per_order": 100_000,
            "tiers": [{"from_basket": 500_000, "basis_points": points + 100}],
            "cap_per_member": 150_000,
            "cap_period": "month",
            "budget": CAMPAIGN_BUDGET,
            "rounding": "floor",
            "from_on": f"{YEAR}-01-01",
            "to_on": f"{YEAR}-12-31",
        }
        campaigns[partner] = await apis.post("cashback", "/v1/campaigns", federal, campaign)
    counts = dict.fromkeys(("enrolled", "purchases", "partly_confirmed", "declined", "refunded", "payouts"), 0)
    cabinet = apis.bearer("internal_app")

    async def take_part(item: tuple[int, str]) -> None:
        number, member = item
        auth = apis.bearer("member", member_id=member)
        await apis.post("cashback", "/v1/participants", auth, {"effective_on": f"{YEAR}-08-15"})
        counts["enrolled"] += 1
        for purchase in range(1 + number % 2):
            partner = sorted(campaigns)[(number + purchase) % 2]
            on = day(dice, 9, 10)
            # A year that is past: the cabinet's own system says when the member went to the partner.
            visit = {
                "member_id": member,
                "campaign_id": campaigns[partner]["campaign_id"],
                "clicked_at": f"{on}T10:00:00+06:00",
            }
            click = await apis.post("cashback", "/v1/recorded-clicks", cabinet, visit)
            shop = apis.bearer("partner", partner=partner)
            reported = await apis.post(
                "cashback",
                "/v1/purchases",
                shop,
                {
                    "click_id": click["click_id"],
                    "order": f"{partner[:2]}-{number}-{purchase}",
                    "amount": dice.randrange(60_000, 900_000),
                    "purchased_at": f"{on}T10:20:00+06:00",
                },
            )
            counts["purchases"] += 1
            path, later = f"/v1/purchases/{reported['purchase_id']}", {"effective_on": f"{YEAR}-11-20"}
            if number % 12 == 11:
                await apis.post("cashback", f"{path}/decline", shop, later)
                counts["declined"] += 1
                continue
            part = {"amount": reported["amount"] // 3} if number % 8 == 3 else {}
            confirmed = await apis.post("cashback", f"{path}/confirm", shop, {**later, **part})
            counts["partly_confirmed"] += confirmed["status"] == "partly_confirmed"
            if number % 10 == 5:
                refund = {"reference": f"r-{number}-{purchase}", "amount": confirmed["amount"] // 2, **later}
                await apis.post("cashback", f"{path}/refund", shop, refund)
                counts["refunded"] += 1
        available = (await apis.get("cashback", "/v1/balance", auth))["available"]
        if available >= 10_000 and number % 2 == 0:
            wanted = {"amount": available, "effective_on": f"{YEAR}-12-10"}
            payout = await apis.post("cashback", "/v1/payouts", auth, wanted)
            settled = {"effective_on": f"{YEAR}-12-14"}
            await apis.post("cashback", f"/v1/payouts/{payout['payout_id']}/settle", federal, settled)
            counts["payouts"] += 1

    with stage.bar("participants and their purchases", len(played.bonus)) as done:
        await in_parallel(list(enumerate(played.bonus)), take_part, workers=6, done=done)
    counts |= await _signed_file(apis, sorted(campaigns)[0])
    trial = {
        **{name: campaign[name] for name in ("partner", "title", "min_basket", "from_on", "to_on")},
        "basis_points": 1000,
        "purchased_from": f"{YEAR}-01-01",
        "purchased_to": f"{YEAR}-12-31",
    }
    tried = await apis.post("cashback", "/v1/campaign-trials", federal, trial)
    return {**counts, "tried_on_past_purchases": tried["purchases"]}


async def _signed_file(apis: Apis, partner: str) -> dict[str, int]:
    """The partner's file of the year tells all of it once more: everything is known, nothing is counted twice."""
    shop = apis.bearer("partner", partner=partner)
    known = await apis.pages("cashback", "/v1/purchases", shop)
    rows = ["what,order,line,version,click_id,amount,basket,purchased_at,effective_on"]
    rows += [
        f"reported,{row['order']},{row['line']},1,{row['click_id']},{row['reported']},,{row['purchased_at']},"
        for row in known
    ]
    content = "\n".join([*rows, f"total,{len(known)},{sum(row['reported'] for row in known)}"]).encode()
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    body = {"public_key": base64.b64encode(public).decode()}
    await apis.post("cashback", f"/v1/partners/{partner}/file-key", apis.bearer("federal_staff"), body)
    signature = base64.b64encode(key.sign(hashlib.sha256(content).digest())).decode()
    answer = await apis.send(
        "cashback",
        "POST",
        f"/v1/purchase-files?day={YEAR}-12-31",
        shop,
        content=content,
        headers={"Union-Signature": signature, "Content-Type": "text/csv"},
    )
    taken = answer.json()
    return {"lines_of_file": taken["lines"], "known_before": taken["repeated"]}
