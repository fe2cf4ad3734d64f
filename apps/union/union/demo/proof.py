"""The proof: what was published was consumed, the services agree, nothing leaked, nothing is owed."""

import asyncio
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import psutil

from union import platform
from union.demo.clients import Apis
from union.stack import scrape

BUCKETS = "event_effect_latency_seconds_bucket"


@dataclass(frozen=True)
class Check:
    name: str
    holds: bool
    figure: str


class Meters:
    """The workers' metrics at one moment."""

    def __init__(self) -> None:
        self.samples = {
            process.name: scrape(process.address)
            for process in platform.local_stack().status()
            if process.name.endswith("-worker")
        }

    def total(self, name: str, **labels: str) -> float:
        return sum(
            value
            for metrics in self.samples.values()
            for found, value in metrics[name]
            if all(found.get(label) == wanted for label, wanted in labels.items())
        )

    def buckets(self) -> dict[float, float]:
        """Cumulative counts of the commit-to-effect histogram, all consumers together."""
        counts: dict[float, float] = defaultdict(float)
        for metrics in self.samples.values():
            for labels, value in metrics[BUCKETS]:
                counts[float(labels["le"])] += value
        return dict(counts)


def quantile(share: float, after: dict[float, float], before: dict[float, float] | None = None) -> float:
    """A quantile of a histogram in seconds, by linear interpolation within its bucket."""
    counts = {edge: count - (before or {}).get(edge, 0.0) for edge, count in sorted(after.items())}
    total = max(counts.values(), default=0.0)
    if not total:
        return 0.0
    lower, seen = 0.0, 0.0
    for edge, count in counts.items():
        if count >= share * total:
            if edge == float("inf"):
                return lower
            return lower + (edge - lower) * (share * total - seen) / max(count - seen, 1e-9)
        lower, seen = edge, count
    return lower


def published_and_consumed(meters: Meters) -> list[tuple[str, str, int, int]]:
    """Per consumer and topic: (consumer, topic, published, taken), since these processes started."""
    rows = []
    for service in platform.services():
        for subscription in service.subscriptions(platform.settings_of(service)):
            topic = subscription.topic.name
            sent = meters.total("outbox_published_total", topic=topic)
            taken = meters.total("events_consumed_total", consumer=subscription.consumer)
            unknown = meters.total("events_unknown_type_total", consumer=subscription.consumer)
            # After a rebalance a broker gives once more what was taken and not yet acknowledged.
            again = meters.total("events_redelivered_total", consumer=subscription.consumer)
            rows.append((subscription.consumer, topic, int(sent), int(taken + unknown - again)))
    return rows


async def agreement(apis: Apis) -> tuple[int, dict[str, int]]:
    """(organisations on which registry, cards and reports disagree, members counted by each)."""
    app = apis.bearer("internal_app")
    counts: dict[str, dict[str, int]] = {}
    for service in ("registry", "cards", "reports"):
        items = await apis.pages(service, "/v1/member-counts", app)
        counts[service] = {item["organisation_id"]: item["members"] for item in items if item["members"]}
    organisations = set().union(*counts.values())
    differing = sum(len({counts[s].get(o, 0) for s in counts}) > 1 for o in organisations)
    return differing, {service: sum(by.values()) for service, by in counts.items()}


async def proven(apis: Apis) -> Check:
    """The service's own proof, as it runs every five minutes: by checksums, with its own token."""
    app = apis.bearer("internal_app")
    job_id = (await apis.post("reports", "/v1/agreement/runs", app))["job_id"]
    job: dict[str, Any] = {}
    for _ in range(100):
        job = await apis.get("reports", f"/v1/jobs/{job_id}", app)
        if job["state"] in ("done", "failed"):
            break
        await asyncio.sleep(0.1)
    found = job["result"] or {"drift": -1, "waiting": -1, "organisations": 0}
    told = (
        f"{found['drift']} of {found['organisations']} organisations drift" if job["result"] else str(job["code"])
    )
    holds = found["organisations"] > 0 == found["drift"] == found["waiting"]
    return Check("reports' own proof of agreement finds no drift", holds, told)


def memory_mib() -> dict[str, float]:
    """Memory of all processes of the stack and of this one, shared pages counted once (PSS)."""
    roots = [process.pid for process in platform.local_stack().status() if process.pid]
    total, count = 0, 0
    for pid in [*roots, psutil.Process().pid]:
        try:
            process = psutil.Process(pid)
            family = [process, *(process.children(recursive=True) if pid in roots else [])]
        except psutil.NoSuchProcess:
            continue
        for member in family:
            try:
                total += member.memory_full_info().pss
                count += 1
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
    return {"mib": round(total / 2**20, 1), "processes": count}


async def _at_rest() -> tuple[Meters, list[tuple[str, str, int, int]]]:
    """The meters when nothing is under way: what a worker's round publishes meanwhile is given 10 s to be heard."""
    for _ in range(40):
        meters = Meters()
        flows = published_and_consumed(meters)
        if all(sent == taken for _, _, sent, taken in flows) and not meters.total("outbox_unpublished_messages"):
            break
        await asyncio.sleep(0.25)
    return meters, flows


async def checks(apis: Apis, facts: dict[str, Any]) -> list[Check]:
    """Every check of the demonstration, with the figure that it rests on. `facts` is filled with them too."""
    meters, flows = await _at_rest()
    differing, members = await agreement(apis)
    trial = await apis.get("cashback", "/v1/ledger/trial-balance", apis.bearer("federal_staff"))
    parked = int(meters.total("events_parked_records"))
    waiting = int(meters.total("outbox_unpublished_messages"))
    memory = memory_mib()
    facts |= {
        "events": {
            "published": int(meters.total("outbox_published_total")),
            "consumed": sum(taken for *_, taken in flows),
            "duplicates_without_effect": int(meters.total("events_duplicate_total")),
            "parked": parked,
            "by_consumer": [
                {"consumer": consumer, "topic": topic, "published": sent, "consumed": taken}
                for consumer, topic, sent, taken in flows
            ],
        },
        "agreement": {"organisations_differing": differing, "members": members},
        "ledger": trial,
        "memory": memory,
    }
    all_taken = all(sent == taken for _, _, sent, taken in flows)
    return [
        Check("events published = consumed", all_taken and not waiting, _flow(flows, waiting)),
        Check("parked records = 0", parked == 0, str(parked)),
        Check(
            "registry = cards = reports on every organisation's members",
            differing == 0 and members["registry"] > 0,
            f"{differing} differ; {members['registry']} = {members['cards']} = {members['reports']}",
        ),
        await proven(apis),
        Check("ledger sums to zero", trial["total"] == 0, f"{trial['total']} kopecks"),
        await _ledger_verified(),
        _file_counted_nothing_twice(facts["cashback_played"]),
        _partners_books_agree(facts["cashback_played"]),
        _sandbox_moves_no_money(facts["cashback_played"]),
        _partner_is_told(facts["cashback_played"]),
        Check("memory of all processes < 2 GiB", memory["mib"] < 2048, f"{memory['mib']:.0f} MiB"),
    ]


async def _ledger_verified() -> Check:
    """The operator's own command: balances by their postings, caps by their purchases, the hash chain, the seals."""
    command = [sys.executable, "-m", "union", "ledger", "verify"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    figure = (done.stdout or done.stderr).strip().partition("\n")[0]
    return Check("union ledger verify finds nothing", done.returncode == 0, figure)


def _file_counted_nothing_twice(played: dict[str, int]) -> Check:
    lines, known = played["lines_of_file"], played["known_before"]
    return Check("a partner's signed file counts nothing twice", 0 < lines == known, f"{known} of {lines} known")


def _partners_books_agree(played: dict[str, int]) -> Check:
    lines, differ = played["lines_reconciled"], played["lines_that_differ"]
    return Check(
        "partners' books agree with ours to the kopeck", lines > 0 == differ, f"{differ} of {lines} differ"
    )


def _sandbox_moves_no_money(played: dict[str, Any]) -> Check:
    tried = played["sandbox"]
    holds = tried["cashback"] > 0 == tried["lines_of_the_ledger_moved"]
    return Check("the sandbox pays no money", holds, f"{tried['cashback']} kopecks of none tried")


def _partner_is_told(played: dict[str, Any]) -> Check:
    tried = played["sandbox"]
    # Two reports, a release from review, two confirmations.
    holds = tried["held_and_released"] == 1 and (tried["webhooks"], tried["webhooks_signed_wrongly"]) == (5, 0)
    figure = f"{tried['webhooks']} of 5 messages, signed; {tried['held_and_released']} purchase held and released"
    return Check("webhooks reach a partner; a sudden purchase is held", holds, figure)


def _flow(flows: list[tuple[str, str, int, int]], waiting: int) -> str:
    wrong = [f"{consumer}: {sent} ≠ {taken}" for consumer, _, sent, taken in flows if sent != taken]
    told = (
        f"{sum(sent for _, _, sent, _ in flows)} = {sum(taken for *_, taken in flows)} by {len(flows)} consumers"
    )
    return "; ".join(wrong) or (f"{told}; {waiting} wait" if waiting else told)
