"""Routes of the plastic line: order, approval, factory, delivery, hands."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from cryptography import x509
from fastapi import Depends, Header, Request, Response

from cards import commands, face, factory, qr, queries, rules
from cards.api import OverseerDep, StaffDep, TermsDep
from cards.config import CardsSettings
from cards.errors import FactoryKeyMissing
from cards.models import PersonalisationFile, PlasticBatch
from cards.reconciliation import reconcile
from cards.schemas import (
    BatchRequest,
    BatchView,
    DeliveredRequest,
    HandOverRequest,
    PlasticCardView,
    ReconciliationView,
)
from common import app, sealing
from common.auth import STAFF, Principal, Role, require
from common.documents import PDF, SVG
from common.http import Page, PageDep, ReadSessionDep, SessionDep, etag

router = app.router(tags=["plastic"])

# Who deals with the factory: the offices above the primaries.
OfficeDep = Annotated[Principal, Depends(require(Role.FEDERAL_STAFF, Role.REGIONAL_STAFF))]
HolderOrStaffDep = Annotated[Principal, Depends(require(*STAFF, Role.MEMBER))]
AuthorizationDep = Annotated[str, Header(alias="Authorization", include_in_schema=False)]

_PRINTING = "card_personalisation"
"""The purpose that the registry's log of readers gets."""


def _view(batch: PlasticBatch, response: Response | None = None) -> BatchView:
    if response is not None:
        response.headers["ETag"] = etag(batch.version)
    return BatchView.model_validate(batch, from_attributes=True)


def _factory_certificate(settings: CardsSettings) -> x509.Certificate:
    file = settings.card_factory_certificate_file
    try:
        return sealing.certificate_of(file.read_bytes() if file else b"")
    except (OSError, ValueError):
        raise FactoryKeyMissing from None


@router.post("/plastic-batches", status_code=201)
async def order_batch(
    body: BatchRequest, response: Response, session: SessionDep, principal: StaffDep, terms: TermsDep
) -> BatchView:
    """Order plastic cards for members of an organisation and those below it."""
    await queries.check_organisation(session, principal, body.organisation_id)
    batch = await commands.order_batch(
        session, body.organisation_id, body.member_ids, terms, principal.subject, datetime.now(UTC)
    )
    response.headers["Location"] = f"/v1/plastic-batches/{batch.batch_id}"
    return _view(batch, response)


@router.get("/plastic-batches")
async def list_batches(session: ReadSessionDep, principal: OverseerDep, page: PageDep) -> Page[BatchView]:
    """Plastic batches within the caller's scope."""
    batches, cursor = await queries.batches(session, principal, page)
    return Page(items=[_view(batch) for batch in batches], next_cursor=cursor)


@router.get("/plastic-batches/{batch_id}")
async def read_batch(
    batch_id: UUID, response: Response, session: ReadSessionDep, principal: OverseerDep
) -> BatchView:
    return _view(await queries.batch(session, principal, batch_id), response)


@router.get("/plastic-batches/{batch_id}/cards")
async def list_batch_cards(
    batch_id: UUID, session: ReadSessionDep, principal: OverseerDep, page: PageDep
) -> Page[PlasticCardView]:
    """Every piece of plastic of the batch and where it is."""
    await queries.batch(session, principal, batch_id)
    cards, cursor = await queries.plastic_cards(session, batch_id, page)
    return Page(items=[PlasticCardView.model_validate(c, from_attributes=True) for c in cards], next_cursor=cursor)


@router.post("/plastic-batches/{batch_id}/approve")
async def approve_batch(
    batch_id: UUID, response: Response, session: SessionDep, principal: OfficeDep
) -> BatchView:
    """Approve what somebody else has ordered."""
    await queries.batch(session, principal, batch_id)
    return _view(await commands.approve_batch(session, batch_id, principal, datetime.now(UTC)), response)


@router.post("/plastic-batches/{batch_id}/cancel")
async def cancel_batch(batch_id: UUID, response: Response, session: SessionDep, principal: StaffDep) -> BatchView:
    """Call off an order that was not sent yet; its members can be ordered for anew."""
    await queries.batch(session, principal, batch_id)
    return _view(await commands.cancel_batch(session, batch_id, principal.subject, datetime.now(UTC)), response)


@router.post("/plastic-batches/{batch_id}/send")
async def send_batch(batch_id: UUID, response: Response, session: SessionDep, principal: OfficeDep) -> BatchView:
    """Close an approved order: from now on its personalisation file can be had."""
    await queries.batch(session, principal, batch_id)
    return _view(await commands.send_batch(session, batch_id, datetime.now(UTC)), response)


@router.get(
    "/plastic-batches/{batch_id}/personalisation-file",
    response_class=Response,
    responses={200: {"content": {sealing.MEDIA_TYPE: {}}, "description": "CMS, encrypted for the factory"}},
)
async def make_personalisation_file(
    batch_id: UUID, request: Request, session: SessionDep, principal: OfficeDep, authorization: AuthorizationDep
) -> Response:
    """The factory's file, made anew at each call and kept nowhere: names come from the registry, by your right.

    That it was made is recorded. It has the cards that the factory has not answered for.
    """
    certificate = _factory_certificate(request.app.state.settings)
    await queries.batch(session, principal, batch_id)
    now = datetime.now(UTC)
    batch, pieces = await commands.cards_to_personalise(session, batch_id)
    members = [card.member_id for _, card in pieces]
    names = await request.app.state.persons.many(members, authorization, _PRINTING)
    printed = [
        factory.Personalised(
            plastic.serial,
            card.number,
            names[card.member_id].last_name,
            names[card.member_id].first_name,
            names[card.member_id].patronymic,
            rules.valid_through(card.expires_on),
            qr.text(card, request.app.state.signing_key),
        )
        for plastic, card in pieces
    ]
    number = await commands.next_file_number(session, batch_id)
    content, digest = factory.personalisation(batch.reference, number, now, printed)
    session.add(
        PersonalisationFile(
            batch_id=batch_id,
            file_number=number,
            cards=len(printed),
            sha256=digest,
            made_by=principal.subject,
            made_at=now,
        )
    )
    sealed = sealing.encrypted_for(certificate, content)
    name = f"{batch.reference}-{number}.p7m"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(sealed, media_type=sealing.MEDIA_TYPE, headers=headers)


@router.post(
    "/plastic-batches/{batch_id}/factory-responses",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The factory's file, see docs/cards/factory.md; at most 1 MiB",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        }
    },
)
async def take_factory_response(
    batch_id: UUID,
    request: Request,
    response: Response,
    session: SessionDep,
    principal: OfficeDep,
) -> BatchView:
    """The factory's answer: which cards are produced, spoiled, dispatched. Taken in wholly or not at all."""
    await queries.batch(session, principal, batch_id)
    answer = factory.read_response(await request.body())
    batch = await commands.take_response(session, batch_id, answer, principal.subject, datetime.now(UTC))
    return _view(batch, response)


@router.post("/plastic-batches/{batch_id}/delivered")
async def mark_delivered(
    batch_id: UUID, body: DeliveredRequest, response: Response, session: SessionDep, principal: StaffDep
) -> BatchView:
    """The organisation has counted what came; the cards that are missing end."""
    await queries.batch(session, principal, batch_id)
    batch = await commands.mark_delivered(session, batch_id, body.missing, principal.subject, datetime.now(UTC))
    return _view(batch, response)


@router.post("/plastic-batches/{batch_id}/hand-over")
async def hand_over(
    batch_id: UUID, body: HandOverRequest, response: Response, session: SessionDep, principal: StaffDep
) -> BatchView:
    """Members have signed for their cards, which are active from now on."""
    await queries.batch(session, principal, batch_id)
    batch = await commands.hand_over(
        session, batch_id, body.card_ids, body.receipt, principal.subject, datetime.now(UTC)
    )
    return _view(batch, response)


@router.get("/plastic-batches/{batch_id}/reconciliation")
async def reconcile_batch(batch_id: UUID, session: ReadSessionDep, principal: OverseerDep) -> ReconciliationView:
    """What became of every card of the batch; `difference` is 0 when nothing is unaccounted for."""
    batch = await queries.batch(session, principal, batch_id)
    return ReconciliationView.model_validate(await reconcile(session, batch), from_attributes=True)


@router.get(
    "/cards/{card_id}/face",
    response_class=Response,
    responses={200: {"content": {PDF: {}, SVG: {}}, "description": "The card's picture, by Accept"}},
)
async def card_face(
    card_id: UUID,
    request: Request,
    session: ReadSessionDep,
    principal: HolderOrStaffDep,
    authorization: AuthorizationDep,
    side: face.Side | None = None,
    accept: Annotated[str, Header(max_length=200)] = PDF,
) -> Response:
    """The card as it is printed, with the holder's name: both sides as PDF, or one as SVG."""
    seen = await queries.card_with_qr(session, principal, card_id)
    name = await request.app.state.persons.one(seen.card.member_id, authorization, "card_face")
    picture = qr.svg(qr.text(seen.card, request.app.state.signing_key))
    wanted = SVG if SVG in accept.lower() else PDF
    made = await face.card_face(seen.card, name, picture, side or ("front" if wanted == SVG else None), wanted)
    return Response(made, media_type=wanted, headers={"Vary": "Accept", "Cache-Control": "no-store"})
