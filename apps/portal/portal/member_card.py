"""The member's card: its live code, its devices, lost and found."""

import asyncio
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from portal.apis import ApiProblem, Caller
from portal.member import organisation_name, present_card, unless_away
from portal.pages import NO_STORE, CallerDep, FormDep, JsonDep, VisitDep, go, page
from portal.signin import MemberDep

router = APIRouter(prefix="/member/card")

_REASONS = ("lost", "stolen")
_JWK = ("kty", "crv", "x", "y")


@router.get("")
async def card(request: Request, caller: CallerDep, member_id: MemberDep) -> Response:
    member, cards = await asyncio.gather(
        caller.get("registry", f"/v1/members/{member_id}"), caller.get("cards", "/v1/cards", limit=100)
    )
    present = present_card(cards["items"])
    devices: list[dict[str, Any]] = []
    if present and present["status"] == "active":
        devices = await _devices(caller, present["card_id"])
    texts = await unless_away(caller.get("registry", "/v1/public/consent-texts")) if present is None else None
    return page(
        request,
        "member/card.html",
        member=member,
        organisation=await organisation_name(caller, member["organisation_id"]),
        card=present,
        others=[each for each in cards["items"] if each is not present],
        devices=devices,
        text_version=texts[0]["version"] if texts else "",
    )


async def _devices(caller: Caller, card_id: str) -> list[dict[str, Any]]:
    found = await unless_away(caller.get("cards", f"/v1/cards/{card_id}/devices"))
    return [device for device in (found or {"items": []})["items"] if device["revoked_at"] is None]


@router.get("/{card_id}/qr.svg")
async def plain_code(card_id: UUID, caller: CallerDep, _member: MemberDep) -> Response:
    """For browsers without script: a code of some minutes, bound to no device."""
    answer = await caller.read("cards", f"/v1/cards/{card_id}/qr", accept="image/svg+xml")
    return Response(answer.content, media_type="image/svg+xml", headers=NO_STORE)


@router.post("/{card_id}/devices")
async def add_device(card_id: UUID, caller: CallerDep, _member: MemberDep, body: JsonDep) -> Response:
    """The public half of a key that was made in this browser and cannot leave it."""
    key = {name: str(body.get(name, "")) for name in _JWK}
    device = await caller.post("cards", f"/v1/cards/{card_id}/devices", {"public_key": key})
    return JSONResponse({"device_id": device["device_id"]}, headers=NO_STORE)


@router.get("/{card_id}/devices/{device_id}/code")
async def device_code(card_id: UUID, device_id: UUID, caller: CallerDep, _member: MemberDep) -> Response:
    """The union's word on this card and device: worth nothing without the device's own signature."""
    answer = await caller.read("cards", f"/v1/cards/{card_id}/qr", accept="text/plain", device_id=str(device_id))
    return JSONResponse({"code": answer.content.decode()}, headers=NO_STORE)


@router.post("/{card_id}/devices/{device_id}/revoke")
async def revoke_device(
    card_id: UUID, device_id: UUID, visit: VisitDep, caller: CallerDep, _member: MemberDep, form: FormDep
) -> Response:
    await caller.post("cards", f"/v1/cards/{card_id}/devices/{device_id}/revoke", key=form.key)
    visit.tell("card.device_off_notice")
    return go("/member/card")


@router.post("/{card_id}/block")
async def block(card_id: UUID, visit: VisitDep, caller: CallerDep, _member: MemberDep, form: FormDep) -> Response:
    if form["reason"] not in _REASONS:
        raise ApiProblem(422, "request_invalid")
    await caller.post("cards", f"/v1/cards/{card_id}/block", {"reason": form["reason"]}, key=form.key)
    visit.tell("card.blocked_notice")
    return go("/member/card")


@router.post("/{card_id}/replace")
async def replace(
    card_id: UUID, visit: VisitDep, caller: CallerDep, _member: MemberDep, form: FormDep
) -> Response:
    await caller.post("cards", f"/v1/cards/{card_id}/replace", key=form.key)
    visit.tell("card.new_notice")
    return go("/member/card")


@router.post("/{card_id}/suspend")
async def suspend(
    card_id: UUID, visit: VisitDep, caller: CallerDep, _member: MemberDep, form: FormDep
) -> Response:
    await caller.post("cards", f"/v1/cards/{card_id}/suspend", {"reason": "mislaid"}, key=form.key)
    visit.tell("card.pause_notice")
    return go("/member/card")


@router.post("/{card_id}/resume")
async def resume(card_id: UUID, visit: VisitDep, caller: CallerDep, _member: MemberDep, form: FormDep) -> Response:
    await caller.post("cards", f"/v1/cards/{card_id}/resume", key=form.key)
    visit.tell("card.resume_notice")
    return go("/member/card")
