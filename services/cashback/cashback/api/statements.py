"""Statements for members, invoices for partners: from the ledger, as JSON, CSV or PDF by Accept."""

from datetime import date
from typing import Annotated, Any

from fastapi import Header, Path, Query, Response

from cashback import errors, printing, statements
from cashback.api.callers import AnyMember, PartnerOrFederal, member_of, partner_of
from cashback.schemas import payouts as s
from cashback.schemas.base import Day
from common.app import router as kernel_router
from common.auth import Role
from common.documents import PDF
from common.errors import NotFound
from common.http import ReadSessionDep

router = kernel_router(tags=["statements"])

Accept = Annotated[str, Header(max_length=200)]

_MADE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {}, printing.CSV: {}, PDF: {}}, "description": "By Accept"}
}


@router.get("/statement", response_model=s.StatementView, responses=_MADE)
async def read_statement(
    since: Annotated[Day, Query(description="The first day")],
    until: Annotated[Day, Query(description="The last day")],
    session: ReadSessionDep,
    principal: AnyMember,
    accept: Accept = "application/json",
) -> s.StatementView | Response:
    """Your movements within these days, with the sentence that explains each."""
    if since > until:
        raise errors.SpanReversed
    member_id = member_of(principal)
    made = await statements.statement(session, member_id, since, until)
    if PDF in accept.lower():
        return _file(await printing.statement_pdf(made, member_id), PDF, "statement.pdf")
    if printing.CSV in accept.lower():
        return _file(printing.statement_csv(made), printing.CSV, "statement.csv")
    return s.StatementView.model_validate({**vars(made), "member_id": member_id}, from_attributes=True)


@router.get("/partners/{partner}/invoices/{month}", response_model=s.InvoiceView, responses=_MADE)
async def read_invoice(
    partner: Annotated[str, Path(max_length=64)],
    month: Annotated[str, Path(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="2026-03")],
    session: ReadSessionDep,
    principal: PartnerOrFederal,
    accept: Accept = "application/json",
) -> s.InvoiceView | Response:
    """What the partner owes for a month: confirmed cashback less refunds. A partner reads its own."""
    if Role.PARTNER in principal.roles and partner_of(principal) != partner:
        raise NotFound("partner", partner)
    made = await statements.invoice(session, partner, date.fromisoformat(f"{month}-01"))
    if PDF in accept.lower():
        return _file(await printing.invoice_pdf(made), PDF, f"invoice-{month}.pdf")
    if printing.CSV in accept.lower():
        return _file(printing.invoice_csv(made), printing.CSV, f"invoice-{month}.csv")
    return s.InvoiceView.model_validate(made, from_attributes=True)


def _file(content: bytes, media_type: str, name: str) -> Response:
    headers = {"Vary": "Accept", "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
