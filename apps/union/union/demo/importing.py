"""The registers come in: the tree first, then the members' files; and the outcome against the truth."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

from common.db import Database
from registry.commands.import_batches import import_members
from registry.commands.import_organisations import import_organisations
from union import output
from union.demo.progress import Stage

AS_OF = date(2021, 1, 1)
OUTCOMES = ("accepted", "duplicate", "rejected")


async def import_registers(
    database: Database, source: Path, annotated: Path, now: datetime, stage: Stage
) -> dict[str, Any]:
    """Import `source`; returns totals and, where `expected.json` lies beside, the agreement with it by row."""
    tree = await import_organisations(database, source / "organisations.xlsx", now, AS_OF)
    output.console.print(
        f"  organisations: {tree.created} created, {tree.known} known, {len(tree.refused)} refused"
    )
    files = sorted(path for path in (source / "members").iterdir() if path.is_file())
    with stage.bar("registers of members", len(files)) as done:
        result = await import_members(database, files, AS_OF, annotated, lambda _: done(), now=now)
    totals = {outcome: result.totals.get(outcome, 0) for outcome in OUTCOMES}
    expected_file = source / "expected.json"
    truth = compare(result.report, json.loads(expected_file.read_text())) if expected_file.exists() else None
    return {"organisations": tree.created + tree.known, "files": len(files), **totals, "expected": truth}


def compare(report: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Row by row: how many outcomes, and outcomes with their reasons, are as a careful registrar's."""
    rows = same = same_reason = 0
    for name, file in expected["files"].items():
        ours = {(row["sheet"], row["row"]): row for row in report["files"].get(name, {}).get("rows", [])}
        for row in file["rows"]:
            rows += 1
            mine = ours.pop((row["sheet"], row["row"]), None)
            if mine is not None and mine["outcome"] == row["outcome"]:
                same += 1
                same_reason += mine["reason"] == row["reason"]
        rows += len(ours)  # rows that we took for data and that are none
    return {
        "rows": rows,
        "agree": same,
        "agree_with_reason": same_reason,
        "share": round(same_reason / rows, 5),
        "totals": {outcome: expected["totals"][outcome] for outcome in OUTCOMES},
    }


def show(figures: dict[str, Any], annotated: Path) -> None:
    truth = figures["expected"]
    rows: list[list[object]] = [
        [outcome, figures[outcome], truth["totals"][outcome] if truth else ""] for outcome in OUTCOMES
    ]
    output.table("Import of the registers, rows", ["outcome", "here", "expected.json"], rows)
    if truth:
        output.console.print(
            f"  {truth['agree_with_reason']} of {truth['rows']} rows as a careful registrar would decide"
            f" ({truth['share']:.2%})"
        )
    output.console.print(f"  annotated copies: {annotated}", markup=False)
