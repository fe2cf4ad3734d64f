"""Partners' daily files, and what was refused of messages that nobody is answered about."""

from datetime import date
from typing import Annotated

from fastapi import Header, Query, Request, Response

from cashback import queries
from cashback import schemas as s
from cashback.api.callers import AnyPartner, PartnerOrFederal, SettingsDep, now, partner_of
from cashback.commands import files
from common.app import router as kernel_router
from common.http import Page, PageDep, ReadSessionDep, SessionDep

router = kernel_router(tags=["files"])

_BODY = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.post(
    "/purchase-files",
    status_code=201,
    openapi_extra=_BODY,
    responses={200: {"description": "It was taken before"}},
)
async def take_file(
    day: Annotated[date, Query(description="The day that the file is of")],
    request: Request,
    response: Response,
    session: SessionDep,
    settings: SettingsDep,
    principal: AnyPartner,
    signature: Annotated[
        str,
        Header(
            alias="Union-Signature",
            max_length=100,
            description="base64 of the Ed25519 signature over the SHA-256 of the body",
        ),
    ],
    part: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> s.PurchaseFileView:
    """Take a signed daily file (CSV, control totals in its last line): each line by itself, the whole once.

    What was refused is told by GET /v1/refused-reports; send it again when its cause is gone.
    """
    row, is_new = await files.take_file(
        session, partner_of(principal), day, part, await request.body(), signature, settings.click_days, now()
    )
    if not is_new:
        response.status_code = 200
    return s.PurchaseFileView(**row.model_dump(exclude={"sha256"}))


@router.get("/refused-reports")
async def list_refused_reports(
    page: PageDep, session: ReadSessionDep, principal: PartnerOrFederal
) -> Page[s.RefusedReportView]:
    """Messages of the partner's topic and files that a rule refused, oldest first; they may be sent again."""
    rows, cursor = await queries.refused_reports(session, principal, page)
    items = [
        s.RefusedReportView(**row.model_dump(), order=row.order_number, what=row.event)  # extra fields are dropped
        for row in rows
    ]
    return Page(items=items, next_cursor=cursor)
