"""`union up`, `down`, `status`, `token`: the one-machine stack and its health."""

import asyncio
import re
import sys
import time
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import httpx
import typer
from rich.console import Console

from common.auth import Role
from local_stack import Stack, Started
from union import output, platform
from union.events import republish_all


def start(timeout: float = 60.0) -> Started:
    """Start the one-machine stack; when its broker lost its topics, publish the histories again."""
    stack = platform.local_stack()
    started = stack.start(timeout)
    if started.broker_is_new:
        count = asyncio.run(republish_all(platform.services(), quiet=True))
        stack.confirm_republished()
        if count:
            output.say(f"The broker was empty: {count} past events are published again.")
    return started


def up() -> None:
    """Start PostgreSQL, the broker, four APIs, four workers and the portal; what runs already is kept."""
    try:
        with output.console.status("starting…") if output.console.is_terminal else _Quiet():
            started = start()
    except KeyboardInterrupt:
        output.refuse("Interrupted: `union up` goes on from here, `union down` stops what was started.", 130)
    output.say(f"Ready in {started.seconds:.1f} s: {len(started.started)} started, {len(started.reused)} kept.")
    status()


class _Quiet:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def down(drop: Annotated[bool, typer.Option("--drop", help="Also remove the data.")] = False) -> None:
    """Stop everything that was started here; with --drop, remove its data too."""
    stack = platform.local_stack()
    existed = stack.exists
    if drop:
        stack.drop()
    else:
        stack.stop()
    if existed:
        output.say(f"Stopped; the data in {stack.data_dir} is {'removed' if drop else 'kept'}.")
    else:
        output.say(_nothing(stack))


def _nothing(stack: Stack) -> str:
    return (
        f"Nothing was started on {stack.data_dir}; `union up` starts the one-machine stack there, and UNION_DATA"
        " names another folder."
    )


def scrape(address: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The metrics of a process: name -> [(labels, value)]; empty when it does not answer."""
    found: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
    try:
        text = httpx.get(f"{address}/metrics", timeout=3, trust_env=False).text
    except httpx.HTTPError:
        return found
    for line in text.splitlines():
        match = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? ([^ ]+)", line)
        if match and not line.startswith("#"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
            found[match[1]].append((labels, float(match[3])))
    return found


def status() -> None:
    """Each process: ready, consumer lag, outbox age, parked records; exit code 1 when one is not ready."""
    rows: list[list[object]] = []
    stack = platform.local_stack()
    processes = stack.status()
    if not processes:
        output.refuse(_nothing(stack), 1)
    all_ready = True
    for process in processes:
        cells: list[object] = ["", "", ""]
        if process.ready and process.name.endswith("-worker"):
            metrics = scrape(process.address)
            lag = sum(value for _, value in metrics["consumer_lag_messages"])
            age = max((value for _, value in metrics["outbox_oldest_unpublished_age_seconds"]), default=0.0)
            parked = sum(value for _, value in metrics["events_parked_records"])
            cells = [int(lag), f"{age:.1f}", int(parked)]
        all_ready = all_ready and process.ready
        rows.append(
            [process.name, str(process.pid or ""), "yes" if process.ready else "NO", *cells, process.address]
        )
    output.table(
        "One-machine stack", ["process", "pid", "ready", "lag", "outbox age, s", "parked", "address"], rows
    )
    if not all_ready:
        output.refuse(
            f"Not all is ready: `union up` starts what is missing; logs are in {stack.data_dir / 'logs'}.", 1
        )


_SCOPES = {
    Role.REGIONAL_STAFF: "organisation",
    Role.TERRITORIAL_STAFF: "organisation",
    Role.PRIMARY_STAFF: "organisation",
    Role.MEMBER: "member",
    Role.PARTNER: "partner",
}
"""What the token of a role must name for its bearer to see anything."""


def token(
    role: Annotated[list[Role], typer.Option(help="May be repeated.")],
    organisation: Annotated[UUID | None, typer.Option(help="The organisation whose subtree is the scope.")] = None,
    member: Annotated[UUID | None, typer.Option(help="The member who calls.")] = None,
    partner: Annotated[str | None, typer.Option(help="The partner's code.")] = None,
    powers_until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day of an elected person's powers.")
    ] = None,
    subject: Annotated[str, typer.Option(help="Who it is for.")] = "operator",
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 30)] = 8,
) -> None:
    """A bearer token of the one-machine stack's development issuer, on standard output."""
    stack = platform.local_stack()
    if not stack.exists:
        output.refuse(_nothing(stack))
    named = {"organisation": organisation, "member": member, "partner": partner}
    for each in role:
        if each in _SCOPES and named[_SCOPES[each]] is None:
            output.warn(f"Without --{_SCOPES[each]} a token of the role {each} reaches nothing.")
    text = stack.issuer().mint(
        subject,
        [r.value for r in role],
        organisation_id=organisation,
        member_id=member,
        partner=partner,
        powers_until=powers_until.date() if powers_until else None,
        ttl=timedelta(hours=hours),
    )
    sys.stdout.write(text + "\n")


def wait_until_quiet(console: Console, timeout: float = 60.0) -> None:
    """Return when every outbox is empty and every consumer has read to the end, twice in a row."""
    deadline, calm = time.monotonic() + timeout, 0
    workers = [p for p in platform.local_stack().status() if p.name.endswith("-worker")]
    while calm < 2:
        busy = 0.0
        for process in workers:
            metrics = scrape(process.address)
            for name in ("outbox_unpublished_messages", "consumer_lag_messages"):
                busy += sum(value for _, value in metrics[name])
        calm = 0 if busy else calm + 1
        if time.monotonic() > deadline:
            console.print(f"Still {busy:.0f} messages on their way after {timeout:.0f} s.")
            return
        time.sleep(0.25)
