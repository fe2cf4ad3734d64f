"""The yearly reports: formed, signed by the chairs, accepted and locked above; and how complete they are."""

import asyncio
from pathlib import Path
from typing import Any

from union import output
from union.demo.clients import Apis, in_parallel
from union.demo.progress import Stage
from union.demo.year import YEAR, Played

AS_OF = f"{YEAR + 1}-01-01"
SIGNED_SHARE = 0.75
"""Of the primaries; the others are the debtors that the cockpit shows."""


async def file_reports(apis: Apis, played: Played, out: Path, stage: Stage) -> dict[str, Any]:
    """What the run formed, how complete the region is, and where its workbook lies."""
    region = apis.bearer("regional_staff", organisation_id=played.region)
    run = await apis.post("reports", "/v1/report-runs", region, {"as_of": AS_OF})
    drafts = await apis.pages("reports", "/v1/reports", region, level="primary", as_of=AS_OF, status="formed")
    signing = drafts[: int(len(drafts) * SIGNED_SHARE)]

    async def sign(report: dict[str, Any]) -> None:
        chair = apis.bearer("primary_staff", organisation_id=report["organisation_id"])
        await apis.send(
            "reports",
            "POST",
            f"/v1/reports/{report['report_id']}/sign",
            chair,
            headers={"If-Match": f'"{report["version"]}"'},
        )

    with stage.bar("reports signed by their chairs", len(signing)) as done:
        await in_parallel(signing, sign, done=done)
    decided = {}
    for decision in ("accept", "lock"):
        wanted = {"decision": decision, "organisation_id": played.region, "as_of": AS_OF, "form": "primary_yearly"}
        answer = await apis.post("reports", "/v1/report-decisions", region, wanted)
        decided[decision] = answer["decided"]
    [report] = await apis.pages(
        "reports", "/v1/reports", region, level="regional", organisation_id=played.region, as_of=AS_OF
    )
    workbook = await apis.send("reports", "GET", f"/v1/reports/{report['report_id']}/xlsx", region)
    target = out / f"regional-{AS_OF}.xlsx"
    target.write_bytes(workbook.content)
    return {"formed": run["formed"], "signed": len(signing), **decided, "workbook": str(target)}


async def completeness(apis: Apis, region: str, signed: int) -> list[dict[str, Any]]:
    """The region's cockpit: one line for each form. Its counters are a second behind what was just done at most."""
    staff = apis.bearer("regional_staff", organisation_id=region)
    for _ in range(100):
        cockpit = await apis.get("reports", f"/v1/organisations/{region}/cockpit", staff, as_of=AS_OF)
        lines: list[dict[str, Any]] = cockpit["reports"]
        if any(line["level"] == "primary" and line["signed"] == signed for line in lines):
            break
        await asyncio.sleep(0.2)
    return lines


def show(lines: list[dict[str, Any]]) -> None:
    output.table(
        f"Reports as of {AS_OF}: the region's completeness",
        ["form", "expected", "formed", "signed", "accepted", "locked", "debtors", "all accepted by"],
        [
            [line[name] for name in ("form", "expected", "formed", "signed", "accepted", "locked", "debtors")]
            + [line["forecast"] or "—"]
            for line in lines
        ],
    )
