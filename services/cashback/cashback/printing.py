"""Statements and invoices as files: CSV for programs, PDF for people."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from cashback.statements import Invoice, Standing, Statement
from common.documents import render

CSV = "text/csv"

_TEMPLATES = Path(__file__).parent / "templates"
_WHAT = {"confirmation": "подтверждён", "refund": "возврат"}


def statement_csv(statement: Statement) -> bytes:
    columns = ("occurred_at", "kind", "explained", "pending", "available", "in_payout", "owed", "available_after")
    return _csv(columns, [asdict(line) for line in statement.lines])


def invoice_csv(invoice: Invoice) -> bytes:
    columns = ("occurred_on", "kind", "order", "line", "campaign_id", "amount")
    return _csv(columns, [asdict(line) for line in invoice.lines])


async def statement_pdf(statement: Statement, member_id: UUID) -> bytes:
    data = {
        "member": str(member_id),
        "since": f"{statement.since:%d.%m.%Y}",
        "until": f"{statement.until:%d.%m.%Y}",
        "opening": _figures(statement.opening),
        "closing": _figures(statement.closing),
        "lines": [
            [
                f"{line.occurred_at:%d.%m.%Y}",
                line.explained,
                _signed(line.available),
                _roubles(line.available_after),
            ]
            for line in statement.lines
        ],
        "complete": statement.complete,
    }
    return await render(_TEMPLATES / "statement.typ", data)


async def invoice_pdf(invoice: Invoice) -> bytes:
    data = {
        "partner": invoice.partner,
        "name": invoice.name,
        "month": invoice.month,
        **{name: _roubles(getattr(invoice, name)) for name in ("confirmed", "refunded", "due")},
        "lines": [
            [f"{line.occurred_on:%d.%m.%Y}", f"{line.order}, {line.line}", _WHAT[line.kind], _signed(line.amount)]
            for line in invoice.lines
        ],
    }
    return await render(_TEMPLATES / "invoice.typ", data)


def _csv(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes:
    output = io.StringIO(newline="")
    writer = csv.DictWriter(output, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return output.getvalue().encode()


def _harmless(value: Any) -> Any:
    # A spreadsheet would take such a text for a formula.
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _figures(standing: Standing) -> list[str]:
    return [_roubles(value) for value in (standing.pending, standing.available, standing.in_payout, standing.owed)]


def _roubles(kopecks: int) -> str:
    whole, rest = divmod(abs(kopecks), 100)
    sign = "−" if kopecks < 0 else ""
    return f"{sign}{whole:,}".replace(",", "\u202f") + f",{rest:02d}"


def _signed(kopecks: int) -> str:
    if kopecks == 0:
        return "—"
    return ("+" if kopecks > 0 else "") + _roubles(kopecks)
