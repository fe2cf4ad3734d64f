"""The statements of the intake: each reads, locks or writes what a whole batch needs, in sorted order."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from cashback import ledger
from cashback.commands import telling
from cashback.commands.decisions import Decisions
from cashback.commands.movements import PurchaseAccounts
from cashback.commands.reports import Key, Line, Report
from cashback.commands.subjects import Clicked, Subject, Taken
from cashback.models import CampaignTerms, FraudHit, PartnerReport, Purchase, Refund
from cashback.rules import rewards
from common.db import fetch
from common.outbox import publish

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def _columns(table: Any) -> dict[str, str]:
    """The table's columns, each with its type as PostgreSQL names it."""
    return {column.name: column.type.compile(dialect=_DIALECT) for column in table.__table__.columns}


def _insert(table: Any, conflict: str) -> str:
    """An insert of columns of values: one array for each column, in the table's order; tells how many went in."""
    columns = _columns(table)
    arrays = ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(columns.values(), 1))
    names = ", ".join(columns)
    return f"insert into {table.__tablename__} ({names}) select * from unnest({arrays}) {conflict} returning 1"  # noqa: S608


_TERMS = ", ".join(f"t.{name}" for name in _columns(CampaignTerms))
_ALL_OF_PURCHASE = ", ".join(f"p.{name}" for name in _columns(Purchase))

_KNOWN = """
    select r.partner, r.order_number, r.line, r.event, r.version, r.input_hash, r.purchase_id, r.status, r.amount,
           r.cashback, r.purchase_version
    from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[]) as u(p, o, l, e, v)
    join partner_report r on r.partner = u.p
        and r.order_number = u.o and r.line = u.l and r.event = u.e and r.version = u.v
"""
_PURCHASES = f"""
    select {_ALL_OF_PURCHASE} from purchase p
    where (p.partner, p.order_number, p.line) in (select * from unnest($1::text[], $2::text[], $3::int[]))
    order by p.purchase_id for no key update
"""  # noqa: S608 (our own columns)
_LINES = """
    select p.partner, p.purchase_id, p.order_number, p.line from unnest($1::text[], $2::uuid[]) as u(partner, id)
    join purchase p on p.purchase_id = u.id and p.partner = u.partner
"""
_CLICKS = f"""
    select u.n, p.partner, c.click_id, c.member_id, c.clicked_at, c.card_id, c.device, m.budget, p.hold_days, p.mode,
        {_TERMS},
        p.mode = 'sandbox'
            or exists (select from participation s where s.member_id = c.member_id and s.enrolled_on <= u.day
                       and (s.ended_on is null or u.day < s.ended_on)) as takes_part,
        exists (select from partner_relation r where r.partner = p.partner and r.member_id = c.member_id) as related
    from unnest($1::text[], $2::uuid[], $3::date[]) with ordinality as u(partner, click_id, day, n)
    join click c on c.click_id = u.click_id
    join campaign m on m.campaign_id = c.campaign_id and m.partner = u.partner
    join campaign_terms t on t.campaign_id = c.campaign_id and t.version = c.campaign_version
    join partner p on p.partner = m.partner
"""  # noqa: S608
_PROMISED = f"""
    select m.budget, p.mode, {_TERMS} from unnest($1::uuid[], $2::int[]) as u(c, v)
    join campaign m on m.campaign_id = u.c
    join partner p on p.partner = m.partner
    join campaign_terms t on t.campaign_id = u.c and t.version = u.v
"""  # noqa: S608
_MAKE_CAPS = """
    insert into cap_use (cap, used) select c, 0 from unnest($1::text[]) as c order by c on conflict do nothing
"""
_LOCK_CAPS = "select cap, used from cap_use where cap = any($1::text[]) order by cap for no key update"
_USE_CAPS = """
    update cap_use set used = u.n from unnest($1::text[], $2::bigint[]) as u(c, n) where cap = u.c
"""
_ENTRIES = "select entry_id, reference from journal_entry where reference = any($1::text[])"
_ADD_PURCHASES = _insert(Purchase, "order by 4, 7, 8 on conflict do nothing")
_ADD_REPORTS = _insert(PartnerReport, "order by 1, 2, 3, 4, 5 on conflict do nothing")
_ADD_REFUNDS = _insert(Refund, "")
_ADD_HITS = _insert(FraudHit, "")
# Conditional: a purchase that is not what the decision was made on is left, and the batch fails.
_CHANGE = """
    update purchase set status = u.s, amount = u.a, cashback = u.c, resolved_on = u.d, version = u.v
    from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::date[], $6::int[], $7::int[])
        as u(i, s, a, c, d, v, b)
    where purchase_id = u.i and version = u.b returning 1
"""


async def known_reports(session: AsyncSession, keys: Sequence[Key]) -> dict[Key, Taken]:
    """Those messages that were taken before: of purchases that are known, for there are no others."""
    if not keys:
        return {}
    known = await fetch(session, _KNOWN, *map(list, zip(*keys, strict=True)))
    return {tuple(row)[:5]: Taken(*tuple(row)[5:]) for row in known}


async def locked_purchases(session: AsyncSession, lines: Collection[Line]) -> dict[Line, Purchase]:
    found = await fetch(session, _PURCHASES, *map(list, zip(*lines, strict=True)))
    purchases = (Purchase(**row) for row in found)
    return {(purchase.partner, purchase.order_number, purchase.line): purchase for purchase in purchases}


async def lines_of(
    session: AsyncSession, purchases: Sequence[tuple[str, UUID]]
) -> dict[tuple[str, UUID], tuple[str, int]]:
    """(order, line) of each (partner, purchase) that there is: to a partner, others' purchases are none."""
    found = await fetch(session, _LINES, *map(list, zip(*purchases, strict=True)))
    return {(row["partner"], row["purchase_id"]): (row["order_number"], row["line"]) for row in found}


async def subjects(
    session: AsyncSession, reports: Sequence[Report], purchases: dict[Line, Purchase]
) -> dict[Line, list[Subject]]:
    """Whose each line may be: by its purchase if there is one, else by the clicks that its first reports name."""
    found: dict[Line, list[Subject]] = {}
    terms: dict[tuple[UUID, int], CampaignTerms] = {}
    known = [
        (line, purchases[line]) for line in dict.fromkeys(report.of for report in reports) if line in purchases
    ]
    if known:
        pairs = {(purchase.campaign_id, purchase.campaign_version) for _, purchase in known}
        promised = await fetch(session, _PROMISED, *map(list, zip(*pairs, strict=True)))
        rows = {(row["campaign_id"], row["version"]): row for row in promised}
        for line, purchase in known:
            row = rows[purchase.campaign_id, purchase.campaign_version]
            found[line] = [_subject(row, terms, line, purchase.member_id, purchase.purchased_on, None)]
    first = [
        (report, report.purchased_at.date())
        for report in reports
        if report.what == "reported" and report.of not in purchases and report.click_id and report.purchased_at
    ]
    if first:
        values = [report.partner for report, _ in first], [report.click_id for report, _ in first]
        for row in await fetch(session, _CLICKS, *values, [day for _, day in first]):
            report, day = first[row["n"] - 1]
            clicked = Clicked(
                row["click_id"],
                row["clicked_at"],
                row["hold_days"],
                day,
                row["takes_part"],
                row["card_id"],
                row["device"],
                row["related"],
            )
            subject = _subject(row, terms, report.of, row["member_id"], day, clicked)
            found.setdefault(report.of, []).append(subject)
    return found


def _subject(
    row: Any,
    known: dict[tuple[UUID, int], CampaignTerms],
    line: Line,
    member_id: UUID,
    day: date,
    clicked: Clicked | None,
) -> Subject:
    partner, order, _ = line
    terms = known.get((row["campaign_id"], row["version"]))
    if terms is None:
        terms = CampaignTerms(**{name: row[name] for name in CampaignTerms.model_fields})
        known[terms.campaign_id, terms.version] = terms
    sandbox = row["mode"] == "sandbox"
    currency = ledger.NO_WORTH if sandbox else ledger.RUB
    return Subject(
        partner,
        member_id,
        terms,
        tuple(rewards.caps_of(terms, partner, member_id, order, day)),
        PurchaseAccounts.of(partner, member_id, terms.campaign_id, row["budget"] is not None, currency),
        sandbox,
        clicked,
    )


async def locked_caps(session: AsyncSession, caps: Collection[str]) -> dict[str, int]:
    if not caps:
        return {}
    await fetch(session, _MAKE_CAPS, sorted(caps))
    return {row["cap"]: row["used"] for row in await fetch(session, _LOCK_CAPS, sorted(caps))}


async def accrual_entries(
    session: AsyncSession, reports: Sequence[Report], purchases: dict[Line, Purchase]
) -> dict[UUID, UUID]:
    declined = [purchases[r.of].purchase_id for r in reports if r.what == "declined" and r.of in purchases]
    if not declined:
        return {}
    references = {f"purchase:{purchase_id}:accrued": purchase_id for purchase_id in declined}
    rows = await fetch(session, _ENTRIES, list(references))
    return {references[row["reference"]]: row["entry_id"] for row in rows}


async def write(session: AsyncSession, decided: Decisions) -> bool:
    """Write what was decided, and publish it; False when another transaction has taken one of the messages."""
    if decided.made and await _add(session, _ADD_PURCHASES, Purchase, decided.made) < len(decided.made):
        return False
    if decided.taken:
        reports = [
            {
                "partner": partner,
                "order_number": order,
                "line": line,
                "event": what,
                "version": version,
                "source": decided.source,
                "taken_at": decided.now,
                **vars(taken),
            }
            for (partner, order, line, what, version), taken in decided.taken.items()
        ]
        if await _add(session, _ADD_REPORTS, PartnerReport, reports) < len(reports):
            return False
    new = {purchase.purchase_id for purchase in decided.made}
    changed = [
        p for p in decided.purchases.values() if p.purchase_id in decided.before and p.purchase_id not in new
    ]
    if changed:
        written = await fetch(
            session,
            _CHANGE,
            [purchase.purchase_id for purchase in changed],
            [purchase.status for purchase in changed],
            [purchase.amount for purchase in changed],
            [purchase.cashback for purchase in changed],
            [purchase.resolved_on for purchase in changed],
            [purchase.version for purchase in changed],
            [decided.before[purchase.purchase_id] for purchase in changed],
        )
        if len(written) < len(changed):
            return False
    if decided.refunds:
        await _add(session, _ADD_REFUNDS, Refund, decided.refunds)
    if decided.hits:
        await _add(session, _ADD_HITS, FraudHit, decided.hits)
    if decided.changed_caps:
        caps = sorted(decided.changed_caps)
        await fetch(session, _USE_CAPS, caps, [decided.caps[cap] for cap in caps])
    await ledger.post(session, *decided.entries, held=True)
    for event, traceparent in decided.events:
        publish(session, event, traceparent)
    await telling.tell_partners(session, decided.told, decided.now)
    return True


async def _add(session: AsyncSession, statement: str, table: Any, added: Sequence[Any]) -> int:
    rows = [row if isinstance(row, dict) else row.__dict__ for row in added]
    names = [column.name for column in table.__table__.columns]
    return len(await fetch(session, statement, *([row[name] for row in rows] for name in names)))
