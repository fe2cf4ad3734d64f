"""Partners' books beside ours: a file in, what differs out, corrections that staff accepts."""

import csv
import io
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from cashback.api.callers import Federal, PartnerOrFederal, PolicyDep, now, partner_of
from cashback.commands import reconciliations as commands
from cashback.models import Reconciliation, ReconciliationItem
from cashback.queries import reconciliations as queries
from cashback.schemas import reconciliations as s
from common.app import router as kernel_router
from common.auth import Principal, Role, require
from common.errors import NotFound
from common.http import Page, PageDep, ReadSessionDep, SessionDep

router = kernel_router(tags=["reconciliations"])

Reader = Annotated[Principal, Depends(require(Role.PARTNER, Role.FEDERAL_STAFF, Role.AUDITOR))]

_BODY = {
    "requestBody": {
        "required": True,
        "description": "The partner's books, see docs/cashback/reconciliation.md; at most 1 MiB",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


@router.post(
    "/reconciliations",
    status_code=201,
    openapi_extra=_BODY,
    responses={200: {"description": "This file was compared before"}},
)
async def compare_books(
    request: Request, response: Response, session: SessionDep, principal: PartnerOrFederal
) -> s.ReconciliationResult:
    """Compare all that was bought in some days, as the partner's books have it now, with ours. Nothing is changed."""
    books = commands.read_books(await request.body())
    if Role.PARTNER in principal.roles and partner_of(principal) != books.partner:
        raise NotFound("partner", books.partner)
    row, is_new = await commands.compare(session, books, principal.subject, now())
    if not is_new:
        response.status_code = 200
    return await _result(session, row)


@router.get("/reconciliations")
async def list_reconciliations(
    page: PageDep, session: ReadSessionDep, principal: Reader
) -> Page[s.ReconciliationView]:
    rows, cursor = await queries.reconciliations(session, principal, page)
    return Page(items=[s.ReconciliationView(**row.model_dump()) for row in rows], next_cursor=cursor)


@router.get("/reconciliations/{reconciliation_id}")
async def read_reconciliation(
    reconciliation_id: UUID, session: ReadSessionDep, principal: Reader
) -> s.ReconciliationResult:
    return await _result(session, await _found(session, principal, reconciliation_id))


@router.get("/reconciliations/{reconciliation_id}/items")
async def list_items(
    reconciliation_id: UUID,
    page: PageDep,
    session: ReadSessionDep,
    principal: Reader,
    outcome: s.Outcome | None = None,
    state: s.ItemState | None = None,
) -> Page[s.ReconciliationItemView]:
    await _found(session, principal, reconciliation_id)
    rows, cursor = await queries.items(session, reconciliation_id, outcome, state, page)
    return Page(items=[_item(row) for row in rows], next_cursor=cursor)


@router.get(
    "/reconciliations/{reconciliation_id}/csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "All lines, UTF-8"}},
)
async def read_csv(
    reconciliation_id: UUID, session: ReadSessionDep, principal: Reader, outcome: s.Outcome | None = None
) -> Response:
    await _found(session, principal, reconciliation_id)
    output = io.StringIO(newline="")
    names = list(s.ReconciliationItemView.model_fields)
    writer = csv.DictWriter(output, names)
    writer.writeheader()
    for item in await queries.all_items(session, reconciliation_id, outcome):
        writer.writerow({name: _cell(value) for name, value in _item(item).model_dump(mode="json").items()})
    headers = {"Content-Disposition": f'attachment; filename="reconciliation-{reconciliation_id}.csv"'}
    return Response(output.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/reconciliations/{reconciliation_id}/items/{item_id}/accept")
async def accept_item(
    reconciliation_id: UUID,
    item_id: UUID,
    body: s.AcceptRequest,
    session: SessionDep,
    policy: PolicyDep,
    principal: Federal,
) -> s.ReconciliationItemView:
    """Take the proposed message as if the partner had told it now; the rules of the intake may refuse it."""
    item = await commands.accept(
        session, reconciliation_id, item_id, body.effective_on, principal.subject, policy, now()
    )
    return _item(item)


@router.post("/reconciliations/{reconciliation_id}/items/{item_id}/dismiss")
async def dismiss_item(
    reconciliation_id: UUID, item_id: UUID, body: s.DismissRequest, session: SessionDep, principal: Federal
) -> s.ReconciliationItemView:
    """Leave it as it is; the next comparison finds it again, with its age."""
    item = await commands.dismiss(session, reconciliation_id, item_id, body.reason, principal.subject, now())
    return _item(item)


async def _found(session: ReadSessionDep, principal: Principal, reconciliation_id: UUID) -> Reconciliation:
    row = await queries.reconciliation(session, principal, reconciliation_id)
    if row is None:
        raise NotFound("reconciliation", reconciliation_id)
    return row


async def _result(session: SessionDep, row: Reconciliation) -> s.ReconciliationResult:
    found = await queries.result(session, row, now())
    return s.ReconciliationResult(
        **row.model_dump(),
        outcomes=[s.OutcomeSum(**line) for line in found.outcomes],
        ageing=s.Ageing(**found.ageing),
        waiting=found.waiting,
    )


def _item(item: ReconciliationItem) -> s.ReconciliationItemView:
    return s.ReconciliationItemView(
        **item.model_dump(), order=item.order_number, age_days=queries.age_days(item, now())
    )


def _cell(value: object) -> object:
    """What a spreadsheet would take for a formula is shown as text."""
    return "'" + value if isinstance(value, str) and value[:1] in "=+-@" and value else value
