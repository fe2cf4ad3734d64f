"""The statements of the intake: each reads, locks or writes what a whole batch needs, in sorted order."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from cashback import ledger
from cashback.commands.decisions import Clicked, Decisions, Subject, Taken
from cashback.commands.movements import PurchaseAccounts
from cashback.commands.reports import Key, Line, Report
from cashback.models import CampaignTerms, PartnerReport, Purchase, Refund
from cashback.rules import rewards
from common.outbox import publish


def _arrays(text: str, **types: Any) -> sa.TextClause:
    return sa.text(text).bindparams(*(sa.bindparam(name, type_=sa.ARRAY(type_)) for name, type_ in types.items()))


def _insert(table: Any, conflict: str) -> sa.TextClause:
    """An insert of columns of values; the values of each column are one array parameter of its name."""
    columns = {column.name: column.type for column in table.__table__.columns}
    names = ", ".join(columns)
    values = ", ".join(f":{name}" for name in columns)
    text = f"insert into {table.__tablename__} ({names}) select * from unnest({values}) {conflict}"  # noqa: S608
    return _arrays(text, **columns)


_TERMS = ", ".join(f"t.{column.name}" for column in CampaignTerms.__table__.columns)  # type: ignore[attr-defined]

_KNOWN = _arrays(
    """
    select r.order_number, r.line, r.event, r.version, r.input_hash, r.purchase_id, r.status, r.amount,
           r.cashback, r.purchase_version
    from unnest(:orders, :lines, :events, :versions) as u(o, l, e, v)
    join partner_report r on r.partner = :partner
        and r.order_number = u.o and r.line = u.l and r.event = u.e and r.version = u.v
    """,
    orders=sa.Text,
    lines=sa.Integer,
    events=sa.Text,
    versions=sa.Text,
)
_PURCHASES = _arrays(
    """
    select p.* from purchase p
    where p.partner = :partner and (p.order_number, p.line) in (select * from unnest(:orders, :lines))
    order by p.purchase_id for no key update
    """,
    orders=sa.Text,
    lines=sa.Integer,
)
_CLICKS = _arrays(
    f"""
    select u.n, c.click_id, c.member_id, c.clicked_at, m.budget, p.hold_days, {_TERMS},
        exists (select from participation s where s.member_id = c.member_id and s.enrolled_on <= u.day
                and (s.ended_on is null or u.day < s.ended_on)) as takes_part
    from unnest(:clicks, :days) with ordinality as u(click_id, day, n)
    join click c on c.click_id = u.click_id
    join campaign m on m.campaign_id = c.campaign_id
    join campaign_terms t on t.campaign_id = c.campaign_id and t.version = c.campaign_version
    join partner p on p.partner = m.partner
    where m.partner = :partner
    """,  # noqa: S608 (our own columns)
    clicks=sa.Uuid,
    days=sa.Date,
)
_PROMISED = _arrays(
    f"""
    select m.budget, {_TERMS} from unnest(:campaigns, :versions) as u(c, v)
    join campaign m on m.campaign_id = u.c
    join campaign_terms t on t.campaign_id = u.c and t.version = u.v
    """,  # noqa: S608
    campaigns=sa.Uuid,
    versions=sa.Integer,
)
_MAKE_CAPS = _arrays(
    "insert into cap_use (cap, used) select c, 0 from unnest(:caps) as c order by c on conflict do nothing",
    caps=sa.Text,
)
_LOCK_CAPS = _arrays(
    "select cap, used from cap_use where cap = any(:caps) order by cap for no key update", caps=sa.Text
)
_USE_CAPS = _arrays(
    "update cap_use set used = u.n from unnest(:caps, :used) as u(c, n) where cap = u.c",
    caps=sa.Text,
    used=sa.BigInteger,
)
_ENTRIES = _arrays(
    "select entry_id, reference from journal_entry where reference = any(:references)", references=sa.Text
)
_ADD_PURCHASES = _insert(Purchase, "order by 4, 7, 8 on conflict do nothing")
_ADD_REPORTS = _insert(PartnerReport, "order by 1, 2, 3, 4, 5 on conflict do nothing")
_ADD_REFUNDS = _insert(Refund, "")
# Conditional: a purchase that is not what the decision was made on is left, and the batch fails.
_CHANGE = _arrays(
    """
    update purchase set status = u.s, amount = u.a, cashback = u.c, resolved_on = u.d, version = u.v
    from unnest(:ids, :statuses, :amounts, :cashbacks, :days, :versions, :before) as u(i, s, a, c, d, v, b)
    where purchase_id = u.i and version = u.b
    """,
    ids=sa.Uuid,
    statuses=sa.Text,
    amounts=sa.BigInteger,
    cashbacks=sa.BigInteger,
    days=sa.Date,
    versions=sa.Integer,
    before=sa.Integer,
)


async def known_reports(connection: AsyncConnection, partner: str, keys: Sequence[Key]) -> dict[Key, Taken]:
    orders, lines, events, versions = map(list, zip(*keys, strict=True))
    rows = await connection.execute(
        _KNOWN, {"partner": partner, "orders": orders, "lines": lines, "events": events, "versions": versions}
    )
    return {tuple(row[:4]): Taken(bytes(row[4]), *row[5:]) for row in rows}


async def locked_purchases(
    connection: AsyncConnection, partner: str, lines: Collection[Line]
) -> dict[Line, Purchase]:
    orders, numbers = map(list, zip(*lines, strict=True))
    rows = await connection.execute(_PURCHASES, {"partner": partner, "orders": orders, "lines": numbers})
    found = (Purchase(**row) for row in rows.mappings())
    return {(purchase.order_number, purchase.line): purchase for purchase in found}


async def subjects(
    connection: AsyncConnection, partner: str, reports: Sequence[Report], purchases: dict[Line, Purchase]
) -> dict[Line, list[Subject]]:
    """Whose each line may be: by its purchase if there is one, else by the clicks that its first reports name."""
    found: dict[Line, list[Subject]] = {}
    known = [purchases[line] for line in dict.fromkeys(report.of for report in reports) if line in purchases]
    if known:
        pairs = {(purchase.campaign_id, purchase.campaign_version) for purchase in known}
        campaigns, versions = map(list, zip(*pairs, strict=True))
        promised = await connection.execute(_PROMISED, {"campaigns": campaigns, "versions": versions})
        terms = {(row["campaign_id"], row["version"]): row for row in promised.mappings()}
        for purchase in known:
            row = terms[purchase.campaign_id, purchase.campaign_version]
            line = (purchase.order_number, purchase.line)
            found[line] = [_subject(row, partner, purchase.member_id, line, purchase.purchased_on, None)]
    first = [
        report
        for report in reports
        if report.what == "reported" and report.of not in purchases and report.click_id and report.purchased_at
    ]
    if first:
        days = [report.purchased_at.date() for report in first if report.purchased_at]
        values = {"partner": partner, "clicks": [report.click_id for report in first], "days": days}
        for row in (await connection.execute(_CLICKS, values)).mappings():
            report = first[row["n"] - 1]
            day = days[row["n"] - 1]
            clicked = Clicked(row["click_id"], row["clicked_at"], row["hold_days"], day, row["takes_part"])
            found.setdefault(report.of, []).append(
                _subject(row, partner, row["member_id"], report.of, day, clicked)
            )
    return found


def _subject(row: Any, partner: str, member_id: UUID, line: Line, day: Any, clicked: Clicked | None) -> Subject:
    terms = CampaignTerms(**{name: row[name] for name in CampaignTerms.model_fields})
    return Subject(
        member_id,
        terms,
        tuple(rewards.caps_of(terms, partner, member_id, line[0], day)),
        PurchaseAccounts.of(partner, member_id, terms.campaign_id, row["budget"] is not None),
        clicked,
    )


async def locked_caps(connection: AsyncConnection, caps: Collection[str]) -> dict[str, int]:
    if not caps:
        return {}
    await connection.execute(_MAKE_CAPS, {"caps": sorted(caps)})
    rows = await connection.execute(_LOCK_CAPS, {"caps": sorted(caps)})
    return {row.cap: row.used for row in rows}


async def accrual_entries(
    connection: AsyncConnection, reports: Sequence[Report], purchases: dict[Line, Purchase]
) -> dict[UUID, UUID]:
    declined = [purchases[r.of].purchase_id for r in reports if r.what == "declined" and r.of in purchases]
    if not declined:
        return {}
    references = {f"purchase:{purchase_id}:accrued": purchase_id for purchase_id in declined}
    rows = await connection.execute(_ENTRIES, {"references": list(references)})
    return {references[row.reference]: row.entry_id for row in rows}


async def write(session: AsyncSession, decided: Decisions) -> bool:
    """Write what was decided, and publish it; False when another transaction has taken one of the messages."""
    connection = await session.connection()
    if decided.made and await _add(connection, _ADD_PURCHASES, Purchase, decided.made) < len(decided.made):
        return False
    if decided.taken:
        reports = [
            {
                "partner": decided.partner,
                "order_number": order,
                "line": line,
                "event": what,
                "version": version,
                "source": decided.source,
                "taken_at": decided.now,
                **vars(taken),
            }
            for (order, line, what, version), taken in decided.taken.items()
        ]
        if await _add(connection, _ADD_REPORTS, PartnerReport, reports) < len(reports):
            return False
    new = {purchase.purchase_id for purchase in decided.made}
    changed = [
        p for p in decided.purchases.values() if p.purchase_id in decided.before and p.purchase_id not in new
    ]
    if changed:
        result = await connection.execute(
            _CHANGE,
            {
                "ids": [purchase.purchase_id for purchase in changed],
                "statuses": [purchase.status for purchase in changed],
                "amounts": [purchase.amount for purchase in changed],
                "cashbacks": [purchase.cashback for purchase in changed],
                "days": [purchase.resolved_on for purchase in changed],
                "versions": [purchase.version for purchase in changed],
                "before": [decided.before[purchase.purchase_id] for purchase in changed],
            },
        )
        if result.rowcount < len(changed):
            return False
    if decided.refunds:
        await _add(connection, _ADD_REFUNDS, Refund, decided.refunds)
    if decided.changed_caps:
        caps = sorted(decided.changed_caps)
        await connection.execute(_USE_CAPS, {"caps": caps, "used": [decided.caps[cap] for cap in caps]})
    await ledger.post(session, *decided.entries, held=True)
    for event in decided.events:
        publish(session, event)
    return True


async def _add(connection: AsyncConnection, statement: sa.TextClause, table: Any, added: Sequence[Any]) -> int:
    names = [column.name for column in table.__table__.columns]
    rows = [row if isinstance(row, dict) else row.__dict__ for row in added]
    result = await connection.execute(statement, {name: [row[name] for row in rows] for name in names})
    return result.rowcount
