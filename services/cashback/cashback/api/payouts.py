"""Payouts and the bank: requested by members, approved by people, settled by files."""

from typing import Annotated
from uuid import UUID

from cryptography import x509
from fastapi import Header, Request, Response

from cashback import errors, queries
from cashback.api.callers import AnyMember, Federal, MemberOrOverseer, SettingsDep, member_of, now
from cashback.commands import bank, payouts
from cashback.config import CashbackSettings
from cashback.models import BankFile, Payout
from cashback.schemas import payouts as s
from common import sealing
from common.app import router as kernel_router
from common.events.cashback import PayoutStatus
from common.http import Page, PageDep, ReadSessionDep, SessionDep, etag

router = kernel_router(tags=["payouts"])

AuthorizationDep = Annotated[str, Header(alias="Authorization", include_in_schema=False)]

_BODY = {
    "requestBody": {
        "required": True,
        "description": "The bank's file, see docs/cashback/bank.md; at most 1 MiB",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


@router.post("/payouts", status_code=201)
async def request_payout(
    body: s.PayoutRequest,
    response: Response,
    session: SessionDep,
    settings: SettingsDep,
    principal: AnyMember,
) -> s.PayoutView:
    """Ask for some of what is available; it is set aside at once."""
    payout = await payouts.request_payout(
        session,
        member_of(principal),
        body.amount,
        body.effective_on,
        settings.payout_minimum,
        settings.payable_days,
        settings.payout_tax_free,
        now(),
    )
    return _view(response, payout)


@router.get("/payouts")
async def list_payouts(
    page: PageDep,
    session: ReadSessionDep,
    principal: MemberOrOverseer,
    status: PayoutStatus | None = None,
) -> Page[s.PayoutView]:
    rows, cursor = await queries.payouts(session, principal, status, page)
    return Page(items=[s.PayoutView(**row.model_dump()) for row in rows], next_cursor=cursor)


@router.post("/payouts/{payout_id}/cancel")
async def cancel_payout(
    payout_id: UUID, response: Response, session: SessionDep, principal: AnyMember
) -> s.PayoutView:
    """Call your request off, until it is approved."""
    return _view(response, await payouts.cancel_payout(session, payout_id, member_of(principal), now()))


@router.post("/payouts/{payout_id}/approve")
async def approve_payout(
    payout_id: UUID, response: Response, session: SessionDep, settings: SettingsDep, principal: Federal
) -> s.PayoutView:
    """Above the limit of four eyes the first approval is noted and another person gives the second."""
    payout = await payouts.approve_payout(session, payout_id, principal, settings.payout_four_eyes_limit, now())
    return _view(response, payout)


@router.post("/payouts/{payout_id}/decline")
async def decline_payout(
    payout_id: UUID, body: s.PayoutDeclineRequest, response: Response, session: SessionDep, _principal: Federal
) -> s.PayoutView:
    """Before it is sent: the money is the member's again."""
    return _view(response, await payouts.decline_payout(session, payout_id, body.reason, now()))


@router.post("/payouts/{payout_id}/settle")
async def settle_payout(
    payout_id: UUID, body: s.SettleRequest, response: Response, session: SessionDep, _principal: Federal
) -> s.PayoutView:
    """The bank has paid: for one whose answer did not come as a file."""
    return _view(response, await payouts.settle_payout(session, payout_id, body.effective_on, now()))


@router.post("/payouts/{payout_id}/fail")
async def fail_payout(
    payout_id: UUID, body: s.FailRequest, response: Response, session: SessionDep, _principal: Federal
) -> s.PayoutView:
    """The bank has refused: for one whose answer did not come as a file."""
    payout = await payouts.fail_payout(session, payout_id, body.reason, body.effective_on, now())
    return _view(response, payout)


@router.post("/bank-files", status_code=201)
async def send_payouts(body: s.SendRequest, session: SessionDep, principal: Federal) -> s.BankFileView:
    """Put all payouts that were requested until that day and are approved, up to 10,000, into one file for the bank."""
    return _file_view(await bank.send_payouts(session, body.effective_on, principal.subject, now()))


@router.get(
    "/bank-files/{file_number}/content",
    response_class=Response,
    responses={200: {"content": {sealing.MEDIA_TYPE: {}}, "description": "CMS, encrypted for the bank"}},
)
async def make_bank_file(
    file_number: int,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    _principal: Federal,
    authorization: AuthorizationDep,
) -> Response:
    """The bank's file, made anew at each call and kept nowhere: names and phones come from the registry by your right.

    It has the payouts that the bank has neither settled nor refused, under the references that they keep for ever.
    """
    certificate = _bank_certificate(settings)
    file, sent = await bank.unanswered(session, file_number)
    persons = await request.app.state.persons.many(
        sorted({payout.member_id for payout in sent}), authorization, "payout"
    )
    content = sealing.encrypted_for(certificate, bank.written(file, sent, persons))
    headers = {
        "Content-Disposition": f'attachment; filename="payouts-{file.file_number}.p7m"',
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=sealing.MEDIA_TYPE, headers=headers)


@router.post("/bank-answers", openapi_extra=_BODY)
async def take_bank_answer(request: Request, session: SessionDep, principal: Federal) -> s.BankFileView:
    """What became of a file's payouts. Taken in wholly or not at all, once."""
    answer = bank.read_answer(await request.body())
    return _file_view(await bank.take_answer(session, answer, principal.subject, now()))


def _bank_certificate(settings: CashbackSettings) -> x509.Certificate:
    file = settings.bank_certificate_file
    try:
        return sealing.certificate_of(file.read_bytes() if file else b"")
    except (OSError, ValueError):
        raise errors.BankKeyMissing from None


def _view(response: Response, payout: Payout) -> s.PayoutView:
    response.headers["ETag"] = etag(payout.version)
    return s.PayoutView(**payout.model_dump())


def _file_view(file: BankFile) -> s.BankFileView:
    return s.BankFileView(**file.model_dump())
