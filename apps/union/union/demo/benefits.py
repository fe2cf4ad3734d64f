"""Cards and the bonus programme of the year, through the public APIs."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cards.cli import EXIT_CODES
from cards.verify import KeySet, StatusList, verify
from union.demo import plastic
from union.demo.clients import Apis, in_parallel
from union.demo.progress import Stage
from union.demo.year import YEAR, Played, day

GREEN, RED = EXIT_CODES["green"], EXIT_CODES["red"]
CAMPAIGN_BUDGET = 50_000_000
"""Kopecks of cashback that a campaign may give."""


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
    )


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
            "budget": CAMPAIGN_BUDGET,
            "rounding": "floor",
            "from_on": f"{YEAR}-01-01",
            "to_on": f"{YEAR}-12-31",
        }
        campaigns[partner] = await apis.post("cashback", "/v1/campaigns", federal, campaign)
    counts = {"enrolled": 0, "purchases": 0, "declined": 0, "refunded": 0, "payouts": 0}

    async def take_part(item: tuple[int, str]) -> None:
        number, member = item
        auth = apis.bearer("member", member_id=member)
        await apis.post("cashback", "/v1/participants", auth, {"effective_on": f"{YEAR}-08-15"})
        counts["enrolled"] += 1
        for purchase in range(1 + number % 2):
            partner = sorted(campaigns)[(number + purchase) % 2]
            on = day(dice, 9, 10)
            visit = {"campaign_id": campaigns[partner]["campaign_id"], "clicked_at": f"{on}T10:00:00+06:00"}
            click = await apis.post("cashback", "/v1/clicks", auth, visit)
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
            await apis.post("cashback", f"{path}/confirm", shop, later)
            if number % 10 == 5:
                refund = {"reference": f"r-{number}-{purchase}", "amount": reported["amount"] // 2, **later}
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
    return counts


async def form_reports(apis: Apis, played: Played, out: Path) -> tuple[dict[str, Any], Path]:
    """The yearly reports as of 1 January, and the regional one as a workbook."""
    staff = apis.bearer("regional_staff", organisation_id=played.region)
    run = await apis.post("reports", "/v1/report-runs", staff, {"as_of": f"{YEAR + 1}-01-01"})
    [report] = await apis.pages(
        "reports", "/v1/reports", staff, level="regional", organisation_id=played.region, as_of=f"{YEAR + 1}-01-01"
    )
    workbook = await apis.send("reports", "GET", f"/v1/reports/{report['report_id']}/xlsx", staff)
    target = out / f"regional-{YEAR + 1}-01-01.xlsx"
    target.write_bytes(workbook.content)
    return run, target
