"""Routes of the cards service."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response

from cards import commands, qr, queries, rules
from cards.commands import CardTerms
from cards.config import CardsSettings
from cards.errors import ReasonNotYours
from cards.models import Member, Organisation
from cards.queries import SeenCard
from cards.schemas import (
    BlockRequest,
    CardDetail,
    CardStatus,
    CardView,
    Headline,
    MemberCount,
    ReprintRequest,
    StepView,
    SuspendRequest,
)
from common import app
from common.auth import STAFF, Principal, Role, in_scope, require
from common.counts import Counts, counts_router
from common.http import Page, PageDep, ReadSessionDep, SessionDep, etag
from common.types import masked

router = app.router(tags=["cards"])
counts_router(
    router,
    Counts(Member, Organisation),
    lambda principal, column: in_scope(principal, column, Organisation),
)

ReaderDep = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR, Role.INTERNAL_APP, Role.MEMBER))]
OverseerDep = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR, Role.INTERNAL_APP))]
HolderOrStaffDep = Annotated[Principal, Depends(require(*STAFF, Role.MEMBER))]
StaffDep = Annotated[Principal, Depends(require(*STAFF))]

_SVG = "image/svg+xml"


def _holder(principal: Principal) -> UUID | None:
    return principal.member_id if Role.MEMBER in principal.roles else None


def terms_of(request: Request) -> CardTerms:
    terms: CardTerms = request.app.state.terms
    return terms


def _card_view(seen: SeenCard, holder: UUID | None = None) -> CardView:
    """`holder` is the member who asks; nobody else reads the whole number, and no POST answers with it."""
    own = seen.card.member_id == holder
    number = seen.card.number if own else masked(seen.card.number)
    return CardView.model_validate(
        {**seen.card.model_dump(), "organisation_id": seen.organisation_id, "number": number}
    )


def _is_staff(principal: Principal) -> bool:
    return bool(principal.roles & set(STAFF))


def _check_reason(principal: Principal, holders: bool) -> None:
    if not holders and not _is_staff(principal):
        raise ReasonNotYours


TermsDep = Annotated[CardTerms, Depends(terms_of)]


@router.get("/cards")
async def list_cards(
    session: ReadSessionDep,
    principal: ReaderDep,
    page: PageDep,
    member_id: UUID | None = None,
    organisation_id: Annotated[UUID | None, Query(description="With its whole subtree")] = None,
    status: CardStatus | None = None,
) -> Page[CardView]:
    """Cards within the caller's scope; a member's own."""
    seen, cursor = await queries.cards(session, principal, page, member_id, organisation_id, status)
    return Page(items=[_card_view(card, _holder(principal)) for card in seen], next_cursor=cursor)


@router.get("/cards/{card_id}")
async def read_card(
    card_id: UUID, response: Response, session: ReadSessionDep, principal: ReaderDep
) -> CardDetail:
    """One card with every step of its life."""
    seen = await queries.card(session, principal, card_id)
    response.headers["ETag"] = etag(seen.card.version)
    holder = _holder(principal)
    steps = [StepView.model_validate(step, from_attributes=True) for step in await queries.steps(session, card_id)]
    if seen.card.member_id == holder:
        steps = [step.model_copy(update={"actor": None}) for step in steps]
    return CardDetail(**_card_view(seen, holder).model_dump(), steps=steps)


@router.get(
    "/cards/{card_id}/qr",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}, _SVG: {}}, "description": "The QR code, by Accept"}},
)
async def read_qr(
    card_id: UUID,
    request: Request,
    session: ReadSessionDep,
    principal: HolderOrStaffDep,
    device_id: Annotated[UUID | None, Query(description="Bind the code to this device of the card")] = None,
    accept: Annotated[str, Header(max_length=200)] = "text/plain",
) -> Response:
    """The card's QR code: its text, or a picture of it for `Accept: image/svg+xml`.

    A plastic card's lives as long as the card. A virtual card's lives for minutes; bound to a device
    (`device_id`) for weeks, and the app wraps it with a fresh proof of the device each time it shows it.
    """
    seen = await queries.card_with_qr(session, principal, card_id)
    settings: CardsSettings = request.app.state.settings
    key = await request.app.state.keys.current(request.app.state.database)
    now = datetime.now(UTC)
    if device_id is not None:
        rules.check_takes_devices(seen.card)
        device = await queries.live_device(session, card_id, device_id)
        ends_at = qr.end_of(seen.card, now, settings.card_device_code_days * 86_400)
        code = qr.text(seen.card, key, ends_at, device.point)
    else:
        code = qr.unbound_text(seen.card, key, settings.card_plain_code_seconds, now)
    wants_picture = _SVG in accept.lower()
    return Response(
        qr.svg(code) if wants_picture else code,
        media_type=_SVG if wants_picture else "text/plain",
        headers={"Vary": "Accept"},
    )


@router.post("/cards/{card_id}/block")
async def block_card(
    card_id: UUID, body: BlockRequest, response: Response, session: SessionDep, principal: HolderOrStaffDep
) -> CardView:
    """Block a card for good: lost, stolen, or used by another."""
    seen = await queries.card_to_act_on(session, principal, card_id)
    _check_reason(principal, holders=body.reason != "fraud")
    card = await commands.block_card(session, card_id, body.reason, principal.subject, datetime.now(UTC))
    response.headers["ETag"] = etag(card.version)
    return _card_view(SeenCard(card, seen.organisation_id))


@router.post("/cards/{card_id}/suspend")
async def suspend_card(
    card_id: UUID, body: SuspendRequest, response: Response, session: SessionDep, principal: HolderOrStaffDep
) -> CardView:
    """The card is not valid for now; `resume` ends it."""
    seen = await queries.card_to_act_on(session, principal, card_id)
    _check_reason(principal, holders=body.reason == rules.HOLDERS_REASON)
    card = await commands.suspend_card(session, card_id, body.reason, principal.subject, datetime.now(UTC))
    response.headers["ETag"] = etag(card.version)
    return _card_view(SeenCard(card, seen.organisation_id))


@router.post("/cards/{card_id}/resume")
async def resume_card(
    card_id: UUID, response: Response, session: SessionDep, principal: HolderOrStaffDep
) -> CardView:
    """A suspended card is valid again. The holder resumes what the holder suspended; staff resume any."""
    seen = await queries.card_to_act_on(session, principal, card_id)
    card = await commands.resume_card(session, card_id, _is_staff(principal), principal.subject, datetime.now(UTC))
    response.headers["ETag"] = etag(card.version)
    return _card_view(SeenCard(card, seen.organisation_id))


@router.post("/cards/{card_id}/reprint")
async def reprint_card(
    card_id: UUID, body: ReprintRequest, response: Response, session: SessionDep, principal: StaffDep
) -> CardView:
    """End a plastic card that is lost, stolen or damaged; the next order of its organisation makes another."""
    seen = await queries.card_to_act_on(session, principal, card_id)
    card = await commands.reprint_card(session, card_id, body.reason, principal.subject, datetime.now(UTC))
    response.headers["ETag"] = etag(card.version)
    return _card_view(SeenCard(card, seen.organisation_id))


@router.post("/cards/{card_id}/replace", status_code=201)
async def replace_card(
    card_id: UUID, response: Response, session: SessionDep, principal: HolderOrStaffDep, terms: TermsDep
) -> CardView:
    """A new virtual card in the place of an active, lost or stolen one, which ends. Answers the new card."""
    seen = await queries.card_to_act_on(session, principal, card_id)
    card = await commands.replace_card(session, seen.card, terms, principal.subject, datetime.now(UTC))
    response.headers["ETag"] = etag(card.version)
    response.headers["Location"] = f"/v1/cards/{card.card_id}"
    return _card_view(SeenCard(card, seen.organisation_id))


@router.get("/member-counts")
async def member_counts(session: ReadSessionDep, principal: OverseerDep, page: PageDep) -> Page[MemberCount]:
    """Active members by organisation, by organisation id: to be compared with the registry's own."""
    rows, cursor = await queries.member_counts(session, principal, page)
    counts = [MemberCount(organisation_id=row.organisation_id, members=row.members) for row in rows]
    return Page(items=counts, next_cursor=cursor)


@router.get("/headline")
async def headline(session: ReadSessionDep, principal: OverseerDep) -> Headline:
    """How many cards there are within the caller's scope."""
    return Headline.model_validate({"cards": await queries.headline(session, principal)})
