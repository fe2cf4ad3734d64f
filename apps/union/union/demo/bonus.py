"""The bonus programme of the year, through the public APIs: members, partners, the bank."""

import asyncio
import base64
import hashlib
import hmac
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from union import receivers
from union.demo.clients import Apis, Refused, in_parallel
from union.demo.progress import Stage
from union.demo.year import YEAR, Played, day

CAMPAIGN_BUDGET = 50_000_000
"""Kopecks of cashback that a campaign may give."""


async def play_cashback(
    apis: Apis, played: Played, dice: random.Random, keys_folder: Path, stage: Stage
) -> dict[str, Any]:
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
    told = await Hook.open()
    sandbox = await _sandbox(apis, told)
    counts = dict.fromkeys(("enrolled", "purchases", "partly_confirmed", "declined", "refunded", "payouts"), 0)
    cabinet = apis.bearer("internal_app")
    requested: list[dict[str, Any]] = []

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
            requested.append(payout)

    with stage.bar("participants and their purchases", len(played.bonus)) as done:
        await in_parallel(list(enumerate(played.bonus)), take_part, workers=6, done=done)
    counts["payouts"] = await _pay(apis, requested, keys_folder)
    counts |= await _signed_file(apis, sorted(campaigns)[0])
    reconciled = [await _reconciled(apis, partner) for partner in sorted(campaigns)]
    trial = {
        **{name: campaign[name] for name in ("partner", "title", "min_basket", "from_on", "to_on")},
        "basis_points": 1000,
        "purchased_from": f"{YEAR}-01-01",
        "purchased_to": f"{YEAR}-12-31",
    }
    tried = await apis.post("cashback", "/v1/campaign-trials", federal, trial)
    return {
        **counts,
        "tried_on_past_purchases": tried["purchases"],
        "lines_reconciled": sum(result["lines"] for result in reconciled),
        "lines_that_differ": sum(
            line["lines"] for result in reconciled for line in result["outcomes"] if line["outcome"] != "matched"
        ),
        "sandbox": {**sandbox, **await told.close()},
    }


async def _pay(apis: Apis, requested: list[dict[str, Any]], keys_folder: Path) -> int:
    """Approved by one, sent to the bank in a file that only it can open, settled by its answer; returns how many."""
    federal = apis.bearer("federal_staff")
    for payout in requested:
        await apis.post("cashback", f"/v1/payouts/{payout['payout_id']}/approve", federal)
    file = await apis.post("cashback", "/v1/bank-files", federal, {"effective_on": f"{YEAR}-12-11"})
    content = f"/v1/bank-files/{file['file_number']}/content"
    sealed = await _sealed(apis, content, {payout["payout_id"]: payout["member_id"] for payout in requested})
    _, *lines, _ = receivers.opened(keys_folder, receivers.BANK, sealed)
    paid = [(line[1], "settled", int(line[2]), f"{YEAR}-12-14", "") for line in lines]
    answer = receivers.answer(str(file["file_number"]), 1, paid, [sum(line[2] for line in paid)])
    sent = {**federal, "Content-Type": "text/csv"}
    await apis.send("cashback", "POST", "/v1/bank-answers", sent, content=answer)
    settled = await apis.pages("cashback", "/v1/payouts", federal, status="settled")
    return len(settled)


async def _sealed(apis: Apis, content: str, members: dict[str, str]) -> bytes:
    """The file for the bank; who has no telephone in the registry is asked for one by the staff first."""
    federal = apis.bearer("federal_staff")
    while True:
        try:
            return (await apis.send("cashback", "GET", content, federal)).content
        except Refused as refusal:
            missing = refusal.problem.get("payout_ids")
            if not missing:
                raise
        for payout_id in missing:
            path = f"/v1/members/{members[payout_id]}"
            read = await apis.send("registry", "GET", path, federal)
            phone = f"+79{int(payout_id[-7:], 16):09d}"
            await apis.send(
                "registry", "PATCH", path, federal, {"phone": phone}, headers={"If-Match": read.headers["etag"]}
            )


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


async def _reconciled(apis: Apis, partner: str) -> dict[str, Any]:
    """The partner's own books of the year beside ours."""
    shop = apis.bearer("partner", partner=partner)
    known = await apis.pages("cashback", "/v1/purchases", shop)
    rows = [f"H;1;{partner};{YEAR}-01-01;{YEAR}-12-31"]
    rows += [
        f"R;{row['order']};{row['line']};{row['purchased_at'][:10]};{row['status']};{row['amount']};{row['cashback']};;"
        for row in known
    ]
    body = "".join(f"{row}\r\n" for row in rows).encode()
    totals = f"{sum(row['amount'] for row in known)};{sum(row['cashback'] for row in known)}"
    content = body + f"T;{len(known)};{totals};{hashlib.sha256(body).hexdigest()}\r\n".encode()
    sent = {**shop, "Content-Type": "text/csv"}
    answer = await apis.send("cashback", "POST", "/v1/reconciliations", sent, content=content)
    return answer.json()  # type: ignore[no-any-return]


async def _sandbox(apis: Apis, told: "Hook") -> dict[str, int]:
    """A partner tries the whole way with a made-up buyer; the ledger of money does not move by it.

    It hears of each step at its address; what comes three seconds after its click waits for a look by the staff.
    """
    federal = apis.bearer("federal_staff")
    before = await apis.get("cashback", "/v1/ledger/trial-balance", federal)
    body = {"partner": "try-out", "name": "Проба", "hold_days": 0, "landing_url": "https://try-out.example/"}
    await apis.post("cashback", "/v1/partners", federal, {**body, "mode": "sandbox"})
    terms = {"partner": "try-out", "title": "Проба", "basis_points": 500, "budget": 100_000}
    span = {"from_on": f"{YEAR}-01-01", "to_on": f"{YEAR}-12-31"}
    campaign = await apis.post("cashback", "/v1/campaigns", federal, {**terms, **span})
    shop = apis.bearer("partner", partner="try-out")
    await told.listen(apis, shop)
    visit = {"campaign_id": campaign["campaign_id"], "clicked_at": f"{YEAR}-10-01T10:00:00+06:00"}
    confirmed, held = [], 0
    for order, moment in (("try-1", "10:20:00"), ("try-2", "10:00:03")):
        click = await apis.post("cashback", "/v1/sandbox-clicks", shop, visit)
        when = {"purchased_at": f"{YEAR}-10-01T{moment}+06:00"}
        report = {"click_id": click["click_id"], "order": order, "amount": 100_000, **when}
        purchase = await apis.post("cashback", "/v1/purchases", shop, report)
        if purchase["held"]:
            held += 1
            review = f"/v1/reviews/{purchase['purchase_id']}/release"
            await apis.post("cashback", review, federal, {"reason": "Проба: покупатель придуман."})
        path = f"/v1/purchases/{purchase['purchase_id']}/confirm"
        confirmed.append(await apis.post("cashback", path, shop, {"effective_on": f"{YEAR}-10-02"}))
    after = await apis.get("cashback", "/v1/ledger/trial-balance", federal)
    return {
        "cashback": sum(purchase["cashback"] for purchase in confirmed),
        "lines_of_the_ledger_moved": int(before != after),
        "held_and_released": held,
    }


@dataclass
class Hook:
    """The partner's own server: it takes what is signed with its secret, and answers 204."""

    server: asyncio.Server
    secret: bytes = b""
    good: set[str] = field(default_factory=set)
    """The ids of the messages that were signed as they should be."""
    bad: int = 0

    @classmethod
    async def open(cls) -> "Hook":
        hook = cls(await asyncio.start_server(lambda *streams: hook._take(*streams), "127.0.0.1", 0))
        return hook

    async def listen(self, apis: Apis, shop: dict[str, str]) -> None:
        url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/"
        made = await apis.post("cashback", "/v1/webhooks", shop, {"url": url})
        path = f"/v1/webhooks/{made['webhook_id']}/secret"
        given = await apis.send("cashback", "PUT", path, shop, headers={"If-Match": f'"{made["version"]}"'})
        self.secret = base64.b64decode(given.json()["secret"].removeprefix("whsec_"))

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.digest(self.secret, signed, "sha256")).decode()
        if expected in headers["webhook-signature"].split(" "):
            self.good.add(headers["webhook-id"])
        else:
            self.bad += 1
        writer.write(b"HTTP/1.1 204 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def close(self) -> dict[str, int]:
        """What had come by the end of the year's play."""
        self.server.close()
        return {"webhooks": len(self.good), "webhooks_signed_wrongly": self.bad}
