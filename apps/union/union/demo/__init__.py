"""`union demo`: one region's whole year, end to end, on real parts."""

import asyncio
import json
import random
import signal
import time
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from common.db import Database
from local_stack import Stack
from union import output, platform, stack
from union.demo import benefits, bonus, importing, privacy, proof, reporting, summary, year
from union.demo.clients import SERVICES, Apis
from union.demo.progress import Stage

LEAST_AGREEMENT = 0.98
SEED = 2021


def demo(
    leave: Annotated[
        bool, typer.Option("--exit", help="Stop after the checks; exit code 0 only if all hold.")
    ] = False,
    source: Annotated[Path, typer.Option(help="The folder of registers.")] = Path("examples/omsk"),
    out: Annotated[Path, typer.Option(help="Where results go.")] = Path("build/demo"),
    seed: Annotated[int, typer.Option(help="Of the chances of the year.")] = SEED,
) -> None:
    """Play one region's year and prove that nothing was lost, doubled or told to the wrong ears."""
    if not (source / "organisations.xlsx").exists():
        output.refuse(f"{source} has no organisations.xlsx; give the folder of the registers with --source.")
    local = platform.local_stack()
    if _memory(local).get("begun"):
        output.refuse("The year was broken off here half-way; `make clean-demo` clears it, then begin anew.")
    with local.attached():
        holds = _run(local, source, out, seed)
        if leave:
            raise typer.Exit(0 if holds else 1)
        _serve(local)


def _run(local: Stack, source: Path, out: Path, seed: int) -> bool:
    begun = time.perf_counter()
    stage = Stage(output.console)
    (out / "cards").mkdir(parents=True, exist_ok=True)
    with stage.step("start PostgreSQL, broker, four APIs, four workers, the portal"):
        started = stack.start()
    output.console.print(f"  seed of the year: {seed}; data: {local.data_dir}", markup=False)
    facts = asyncio.run(_play(local, source, out, seed, stage))
    facts["start"] = {"started": len(started.started), "reused": len(started.reused)}
    facts["seconds"] = {**stage.seconds, "total": round(time.perf_counter() - begun, 1)}
    (out / "summary.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1, default=str) + "\n")
    output.console.print(
        f"  {facts['seconds']['total']:.0f} s in all; figures: {out / 'summary.json'}", markup=False
    )
    return all(check["holds"] for check in facts["checks"])


def _memory(local: Stack) -> dict[str, Any]:
    """What an earlier run left: nothing, that a year was begun, or the figures of a whole one."""
    memo = local.data_dir / platform.DEMO_MEMORY
    remembered: dict[str, Any] = json.loads(memo.read_text()) if memo.exists() else {}
    return remembered


async def _play(local: Stack, source: Path, out: Path, seed: int, stage: Stage) -> dict[str, Any]:
    memo = local.data_dir / platform.DEMO_MEMORY
    facts = _memory(local)
    addresses = {p.name.removesuffix("-api"): p.address for p in local.status() if p.name.endswith("-api")}
    database = Database.connect(platform.settings_of(platform.service_named("registry")))
    try:
        async with Apis.open({name: addresses[name] for name in SERVICES}, local.issuer()) as apis:
            if facts:
                output.console.print("  the year was played here before; `make clean-demo` begins anew")
            else:
                memo.write_text(json.dumps({"begun": True}))
                facts = await _whole_year(database, apis, source, out, _dice(seed), stage)
                facts["seed"] = seed
                memo.write_text(json.dumps(facts, ensure_ascii=False, default=str))
            return await _prove(database, apis, local, facts, out, stage)
    finally:
        await database.close()


async def _whole_year(
    database: Database, apis: Apis, source: Path, out: Path, dice: random.Random, stage: Stage
) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    with stage.step("import the registers"):
        now = datetime.now(UTC)
        facts["import"] = await importing.import_registers(database, source, out / "annotated", now, stage)
    await _quiet()
    before = proof.Meters()
    begun = time.perf_counter()
    with stage.step("play the year: consents, joining, transfers, changes, leaving"):
        played = await year.play(apis, dice, stage, partial(_pass_deadline, database))
    await _quiet()
    with stage.step("cards: plastic batch, lost card, QR codes offline"):
        keys = platform.local_stack().data_dir / "keys"
        cards = await benefits.play_cards(apis, played, out / "cards", keys, stage)
    await _quiet()
    with stage.step("bonus programme: two partners, purchases, refunds, payouts"):
        facts["cashback_played"] = await bonus.play_cashback(apis, played, dice, keys, stage)
    await _quiet()
    seconds = time.perf_counter() - begun
    after = proof.Meters()
    with stage.step("reports as of 1 January: formed, signed, accepted, locked"):
        filed = await reporting.file_reports(apis, played, out, stage)
    await _quiet()
    sent = after.total("outbox_published_total") - before.total("outbox_published_total")
    facts["year"] = {
        **{name: value for name, value in asdict(played).items() if isinstance(value, int)},
        "admitted": len(played.admitted),
        "consented_to_cards": len(played.consented),
        "consented_to_bonus": len(played.bonus),
        "api_calls": apis.calls,
        "api_calls_per_second": round(apis.calls / seconds, 1),
        "events_per_second": round(sent / seconds, 1),
    }
    facts["cards_played"] = asdict(cards)
    facts["reports_formed"] = filed["formed"]
    facts["reports_filed"] = {name: filed[name] for name in ("signed", "accept", "lock")}
    facts["completeness"] = await reporting.completeness(apis, played.region, filed["signed"])
    facts["workbook"] = filed["workbook"]
    facts["latency_seconds"] = {
        f"p{round(share * 100)}": round(proof.quantile(share, after.buckets(), before.buckets()), 4)
        for share in (0.5, 0.99)
    }
    return facts


async def _pass_deadline(database: Database, transfer_id: str) -> None:
    """Time passes by data."""
    async with database.sessions.begin() as session:
        overdue = sa.text("update transfer set deadline = current_date - 1 where transfer_id = :id")
        await session.execute(overdue, {"id": transfer_id})


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (chances of a play, not a secret)


async def _quiet() -> None:
    await asyncio.to_thread(stack.wait_until_quiet, output.console)


async def _prove(
    database: Database, apis: Apis, local: Stack, facts: dict[str, Any], out: Path, stage: Stage
) -> dict[str, Any]:
    await _quiet()
    with stage.step("the proof"):
        found = await proof.checks(apis, facts)
        scanner = await privacy.Scanner.of_registry(database)
        await privacy.scan(scanner, local.broker.bootstrap, local.data_dir / "logs")
    facts["headline"] = await summary.headline(apis)
    facts["privacy"] = {
        "found": scanner.found[:20],
        "records": scanner.records,
        "log_lines": scanner.lines,
        "planted_are_found": scanner.finds_what_is_planted(),
    }
    filed = facts["reports_filed"]
    found.append(
        proof.Check(
            "reports signed = accepted = locked, as the cockpit says",
            0 < filed["signed"] == filed["accept"] == filed["lock"]
            and any(line["locked"] == filed["lock"] for line in facts["completeness"]),
            f"{filed['signed']} of {facts['reports_formed']} formed",
        )
    )
    cards, share = facts["cards_played"], (facts["import"]["expected"] or {"share": 1.0})["share"]
    latency = facts["latency_seconds"]
    found += [
        proof.Check("import as expected.json on ≥ 98 % of rows", share >= LEAST_AGREEMENT, f"{share:.2%}"),
        proof.Check(
            "cards verified offline: good green, lost and tampered red",
            0 < cards["verified"] == cards["verified_green"]
            and cards["blocked_is_red"]
            and cards["tampered_is_red"],
            f"{cards['verified_green']} of {cards['verified']} green",
        ),
        proof.Check(
            "a card on a device, offline: screenshot, copy, suspension, rotation of keys",
            cards["on_a_device"] == benefits.ON_A_DEVICE,
            f"{sum(cards['on_a_device'].get(k) == v for k, v in benefits.ON_A_DEVICE.items())}"
            f" of {len(benefits.ON_A_DEVICE)} as they should be",
        ),
        proof.Check(
            "plastic cards: named in the factory's file alone, every one accounted for",
            0 < cards["plastic"] == cards["plastic_with_names"] and cards["plastic_unaccounted"] == 0,
            f"{cards['plastic']} ordered, 1 spoiled, {cards['plastic_handed_over']} handed over",
        ),
        proof.Check(
            "personal data on Kafka and in logs = 0",
            not scanner.found
            and scanner.records >= facts["events"]["published"] > 0
            and facts["privacy"]["planted_are_found"],
            f"{len(scanner.found)} in {scanner.records} records and {scanner.lines} log lines; planted ones are found",
        ),
        proof.Check(
            "from commit to effect, while the year was played",
            0 < latency["p50"] <= latency["p99"],
            f"p50 {latency['p50'] * 1000:.0f} ms, p99 {latency['p99'] * 1000:.0f} ms",
        ),
    ]
    facts["checks"] = [asdict(check) for check in found]
    importing.show(facts["import"], out / "annotated")
    summary.show(facts["headline"])
    reporting.show(facts["completeness"])
    output.table(
        "The proof", ["check", "holds", "figure"], [[c.name, "yes" if c.holds else "NO", c.figure] for c in found]
    )
    output.console.print(f"  regional workbook: {facts['workbook']}", markup=False)
    return facts


def _serve(local: Stack) -> None:
    """Keep serving until Ctrl-C or SIGTERM."""
    output.console.print("\nServing; Ctrl-C stops everything, the data stays.", style="bold")
    for process in local.status():
        if process.name.endswith("-api"):
            output.console.print(f"  {process.name:14} {process.address}/docs", markup=False)
        if process.name == "portal":
            output.console.print(f"  {process.name:14} {process.address}", markup=False)
    output.console.print("  a token: .venv/bin/union token --role federal_staff", markup=False)
    while True:
        signal.pause()
