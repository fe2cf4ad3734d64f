"""The member's own pages: the overview, the data, consents, the extract, leaving."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from portal.apis import ApiProblem, Caller
from portal.join import PURPOSES, normal_phone
from portal.pages import NO_STORE, CallerDep, Form, FormDep, VisitDep, go, page
from portal.signin import MemberDep

router = APIRouter(prefix="/member")

T = TypeVar("T")
CONTACTS = ("phone", "email")


async def unless_away(answer: Awaitable[T]) -> T | None:
    """None when the service is away or knows nothing of it: one part of a page, not the whole, is missing then."""
    try:
        return await answer
    except ApiProblem as problem:
        if problem.status == 401:
            raise
        return None


async def organisation_name(caller: Caller, organisation_id: str) -> str | None:
    found = await unless_away(caller.get("registry", f"/v1/public/organisations/{organisation_id}"))
    return found["name"] if found else None


@router.get("")
async def overview(request: Request, caller: CallerDep, member_id: MemberDep) -> Response:
    member, seniority, cards, balance = await asyncio.gather(
        caller.get("registry", f"/v1/members/{member_id}"),
        unless_away(caller.get("registry", f"/v1/members/{member_id}/seniority")),
        unless_away(caller.get("cards", "/v1/cards", limit=100)),
        unless_away(caller.get("cashback", "/v1/balance")),
    )
    return page(
        request,
        "member/overview.html",
        member=member,
        organisation=await organisation_name(caller, member["organisation_id"]),
        seniority=seniority,
        card=present_card(cards["items"]) if cards else None,
        cards_away=cards is None,
        balance=balance,
    )


def present_card(cards: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The virtual card that counts now: the live one, else the one that ended last and has no successor."""
    virtual = [card for card in cards if card["form"] == "virtual"]
    order = ("active", "suspended", "issued", "requested", "blocked")
    ranked = [card for status in order for card in reversed(virtual) if card["status"] == status]
    return ranked[0] if ranked else None


@router.get("/data")
async def data(request: Request, caller: CallerDep, member_id: MemberDep) -> Response:
    return await _data(request, caller, member_id, Form())


async def _data(request: Request, caller: Caller, member_id: UUID, form: Form, status: int = 200) -> Response:
    answer, texts = await asyncio.gather(
        caller.read("registry", f"/v1/members/{member_id}"), caller.get("registry", "/v1/public/consent-texts")
    )
    return page(
        request,
        "member/data.html",
        status,
        member=answer.body,
        etag=answer.etag,
        organisation=await organisation_name(caller, answer.body["organisation_id"]),
        purposes=PURPOSES,
        texts={text["purpose"]: text for text in texts},
        form=form,
    )


@router.post("/data/contacts")
async def change_contacts(
    request: Request, visit: VisitDep, caller: CallerDep, member_id: MemberDep, form: FormDep
) -> Response:
    phone = normal_phone(form["phone"])
    if form["phone"].strip() and phone is None:
        form.errors["phone"] = visit.t("field.phone.wrong")
    if form.holds:
        body = {"phone": phone, "email": form["email"].strip() or None}
        try:
            await caller.change("PATCH", "registry", f"/v1/members/{member_id}", body, form["etag"])
        except ApiProblem as problem:
            if problem.status == 412:
                form.error = visit.t("data.changed")
            else:
                form.refuse(visit, problem)
        else:
            visit.tell("data.contacts_notice")
            return go("/member/data")
    return await _data(request, caller, member_id, form, 422)


@router.post("/data/consents/{purpose}")
async def change_consent(
    purpose: str, request: Request, visit: VisitDep, caller: CallerDep, member_id: MemberDep, form: FormDep
) -> Response:
    """Given by its own button, withdrawn by its own: never one for several."""
    if purpose not in PURPOSES:
        raise ApiProblem(404, "not_found")
    path = f"/v1/members/{member_id}/consents"
    if form["change"] == "withdraw":
        await caller.post("registry", f"{path}/{purpose}/withdraw", key=form.key)
        visit.tell("data.consent_withdrawn")
    else:
        body = {"purpose": purpose, "text_version": form["text_version"]}
        await caller.post("registry", path, body, key=form.key)
        visit.tell("data.consent_given")
    return go("/member/card" if form["back"] == "card" else "/member/data")


@router.get("/data/extract.json")
async def extract(caller: CallerDep, member_id: MemberDep) -> Response:
    answer = await caller.read("registry", f"/v1/members/{member_id}/extract")
    headers = {**NO_STORE, "Content-Disposition": 'attachment; filename="union-extract.json"'}
    return Response(answer.content, media_type="application/json", headers=headers)


@router.post("/leave")
async def leave(
    request: Request, visit: VisitDep, caller: CallerDep, member_id: MemberDep, form: FormDep
) -> Response:
    if not form.ticked("sure"):
        form.errors["sure"] = visit.t("data.leave_tick")
        return await _data(request, caller, member_id, form, 422)
    await caller.post("registry", f"/v1/members/{member_id}/leave", {}, key=form.key)
    visit.tell("data.left_notice")
    return go("/member")
