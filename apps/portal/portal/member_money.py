"""Cashback: what is there and why, payouts, the statement; partners and the way to them."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from portal.apis import ApiProblem, Caller
from portal.member import unless_away
from portal.pages import NO_STORE, CallerDep, Form, FormDep, VisitDep, go, page, sentence
from portal.signin import MemberDep

router = APIRouter(prefix="/member")

_SHOWN = 20
_SPAN_DAYS = 90
_FORMATS = {"pdf": "application/pdf", "csv": "text/csv"}


@router.get("/cashback")
async def cashback(
    request: Request,
    caller: CallerDep,
    member_id: MemberDep,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    return await _cashback(request, caller, member_id, Form(), cursor=cursor)


async def _cashback(
    request: Request,
    caller: Caller,
    member_id: UUID,
    form: Form,
    status: int = 200,
    cursor: str | None = None,
) -> Response:
    participants, balance, purchases, payouts, member, texts = await asyncio.gather(
        caller.get("cashback", "/v1/participants", limit=1),
        caller.get("cashback", "/v1/balance"),
        caller.get("cashback", "/v1/purchases", limit=_SHOWN, cursor=cursor),
        caller.get("cashback", "/v1/payouts", limit=_SHOWN),
        caller.get("registry", f"/v1/members/{member_id}"),
        caller.get("registry", "/v1/public/consent-texts"),
    )
    taking_part = bool(participants["items"]) and participants["items"][0]["status"] == "enrolled"
    return page(
        request,
        "member/cashback.html",
        status,
        taking_part=taking_part,
        balance=balance,
        purchases=purchases["items"],
        following=purchases["next_cursor"],
        payouts=payouts["items"],
        member=member,
        text_version=texts[0]["version"],
        form=form,
        today=_today(),
    )


@router.post("/cashback/enrol")
async def enrol(
    request: Request, visit: VisitDep, caller: CallerDep, member_id: MemberDep, form: FormDep
) -> Response:
    """Take part; the consent, where it is missing, by the same press: the button says so."""
    if form.ticked("consent"):
        body = {"purpose": "bonus", "text_version": form["text_version"]}
        try:
            await caller.post("registry", f"/v1/members/{member_id}/consents", body, key=form.key)
        except ApiProblem as problem:
            if problem.code != "consent_already_given":
                raise
    try:
        await _enrolled(caller, form)
    except ApiProblem as problem:
        if problem.status not in (409, 422):
            raise
        form.error = sentence(visit, problem)
        return await _cashback(request, caller, member_id, form, problem.status)
    visit.tell("money.enrolled_notice")
    return go("/member/cashback")


async def _enrolled(caller: Caller, form: Form) -> None:
    """The bonus programme hears of a new consent a moment later: it is asked again for a short while."""
    for attempt in range(1, 9):
        try:
            await caller.post("cashback", "/v1/participants", {"effective_on": _today().isoformat()}, key=form.key)
        except ApiProblem as problem:
            if problem.code != "bonus_consent_missing" or not form.ticked("consent") or attempt == 8:
                raise
            await asyncio.sleep(0.25)
        else:
            return


@router.post("/cashback/payouts")
async def pay_out(
    request: Request, visit: VisitDep, caller: CallerDep, member_id: MemberDep, form: FormDep
) -> Response:
    amount = kopecks(form["amount"])
    if amount is None:
        form.errors["amount"] = visit.t("field.amount.wrong")
    else:
        try:
            body = {"amount": amount, "effective_on": _today().isoformat()}
            await caller.post("cashback", "/v1/payouts", body, key=form.key)
        except ApiProblem as problem:
            if problem.status >= 500:
                raise
            form.errors["amount"] = sentence(visit, problem)
        else:
            visit.tell("payout.notice")
            return go("/member/cashback")
    return await _cashback(request, caller, member_id, form, 422)


@router.post("/cashback/payouts/{payout_id}/cancel")
async def cancel_payout(
    payout_id: UUID, visit: VisitDep, caller: CallerDep, _member: MemberDep, form: FormDep
) -> Response:
    await caller.post("cashback", f"/v1/payouts/{payout_id}/cancel", key=form.key)
    visit.tell("payout.cancelled_notice")
    return go("/member/cashback")


@router.get("/cashback/statement")
async def statement(
    request: Request,
    visit: VisitDep,
    caller: CallerDep,
    _member: MemberDep,
    since: date | None = None,
    until: date | None = None,
) -> Response:
    form = Form()
    last = until or _today()
    first = since or last - timedelta(days=_SPAN_DAYS)
    found = None
    if first > last:
        form.error = visit.t("statement.wrong")
    else:
        found = await caller.get("cashback", "/v1/statement", since=first.isoformat(), until=last.isoformat())
    return page(
        request,
        "member/statement.html",
        200 if found else 422,
        statement=found,
        since=first.isoformat(),
        until=last.isoformat(),
        form=form,
    )


@router.get("/cashback/statement.{kind}")
async def statement_file(kind: str, caller: CallerDep, _member: MemberDep, since: date, until: date) -> Response:
    if kind not in _FORMATS:
        raise ApiProblem(404, "not_found")
    answer = await caller.read(
        "cashback", "/v1/statement", accept=_FORMATS[kind], since=since.isoformat(), until=until.isoformat()
    )
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="cashback-{since}-{until}.{kind}"'}
    return Response(answer.content, media_type=_FORMATS[kind], headers=headers)


@router.get("/partners")
async def partners(
    request: Request,
    caller: CallerDep,
    _member: MemberDep,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    answer, participants = await asyncio.gather(
        caller.get("cashback", "/v1/campaigns", on=_today().isoformat(), limit=_SHOWN, cursor=cursor),
        unless_away(caller.get("cashback", "/v1/participants", limit=1)),
    )
    taking_part = bool(participants and participants["items"] and participants["items"][0]["status"] == "enrolled")
    return page(
        request,
        "member/partners.html",
        campaigns=answer["items"],
        following=answer["next_cursor"],
        taking_part=taking_part,
    )


@router.post("/partners/{campaign_id}/click")
async def click(
    campaign_id: UUID, request: Request, caller: CallerDep, _member: MemberDep, form: FormDep
) -> Response:
    """Record the way to a partner, then show its link: the shop learns the click's id and nothing else."""
    made = await caller.post("cashback", "/v1/clicks", {"campaign_id": str(campaign_id)}, key=form.key)
    campaign = await caller.get("cashback", f"/v1/campaigns/{campaign_id}")
    return page(request, "member/click.html", url=_web_address(made), campaign=campaign)


def _web_address(click: dict[str, Any]) -> str:
    """A partner's address that is none of the web's (javascript:, data:) is no link."""
    url = str(click["url"])
    if not url.startswith(("https://", "http://")):
        raise ApiProblem(503, "service_away")
    return url


def kopecks(text: str) -> int | None:
    """`1 250,50` roubles in kopecks; None for what is no amount."""
    plain = re.sub(r"[\s₽]", "", text).replace(",", ".")
    found = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,2}))?", plain)
    if not found:
        return None
    amount = int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))
    return amount or None


def _today() -> date:
    return datetime.now(UTC).date()
