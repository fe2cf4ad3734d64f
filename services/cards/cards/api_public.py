"""What verifiers ask, without a token: keys, status list, offline bundle, the online check."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated

import cbor2
from fastapi import Depends, Header, Request, Response

from cards import commands, queries
from cards.errors import BundleNotCertified
from cards.keyring import KeyRing
from cards.schemas import Jwks, VerificationRequest, VerificationView
from cards.status_list import Signed, StatusListPublisher
from common import app
from common.http import ReadSessionDep, SessionDep
from common.limits import limited
from union_card_verifier import BUNDLE_TYPE
from union_card_verifier.cose import STATUS_LIST_TYPE

router = app.router(prefix="", tags=["verification"])

IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", max_length=200)]


@router.get("/.well-known/jwks.json", response_model_exclude_none=True)
async def jwks(request: Request, response: Response) -> Jwks:
    """The public keys that card QR codes and the status list are signed with, the retired ones too."""
    keys: KeyRing = request.app.state.keys
    response.headers["Cache-Control"] = "public, max-age=300"
    return Jwks.model_validate(await keys.jwks(request.app.state.database))


@router.get(
    "/v1/status-list",
    response_class=Response,
    responses={
        200: {"content": {STATUS_LIST_TYPE: {}}, "description": "A signed Status List Token (CWT)"},
        304: {"description": "The list is the one that you have"},
    },
)
async def status_list(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """Which cards are not valid: two bits a card, compressed, signed, with the time that it may be trusted."""
    signed = await _status_list(request)
    return _cached(request, signed.message, STATUS_LIST_TYPE, signed.etag, if_none_match)


@router.get(
    "/v1/verification/bundle",
    response_class=Response,
    responses={
        200: {"content": {BUNDLE_TYPE: {}}, "description": "Keys certified by the root key, and the status list"},
        304: {"description": "The bundle is the one that you have"},
    },
)
async def bundle(request: Request, session: ReadSessionDep, if_none_match: IfNoneMatch = None) -> Response:
    """All that a verifier needs for working without a network, under the signature of the root key."""
    statement = await queries.key_statement(session)
    keys: KeyRing = request.app.state.keys
    trusted = {key["kid"] for key in (await keys.jwks(request.app.state.database))["keys"]}
    signed = await _status_list(request)
    # A word for a key that is revoked is worse than none; one that lacks the signing key opens no list.
    if statement is None or not set(statement.kids) <= trusted or signed.kid_text not in statement.kids:
        raise BundleNotCertified
    message = cbor2.dumps([statement.message, signed.message])
    tag = f'"{hashlib.sha256(message).hexdigest()[:32]}"'
    return _cached(request, message, BUNDLE_TYPE, tag, if_none_match)


@router.post("/v1/verification", dependencies=[Depends(limited("verification", times=60, seconds=60))])
async def check_online(body: VerificationRequest, request: Request, session: SessionDep) -> VerificationView:
    """Is the card behind this code valid now? Nothing else is told. A device's proof is taken once."""
    keys = await request.app.state.keys.key_set(request.app.state.database)
    verdict = await commands.verify_online(session, body.code, keys, datetime.now(UTC))
    return VerificationView(colour=verdict.colour, reason=verdict.reason)


async def _status_list(request: Request) -> Signed:
    publisher: StatusListPublisher = request.app.state.status_list
    return await publisher.current(request.app.state.database, datetime.now(UTC))


def _cached(request: Request, message: bytes, media_type: str, tag: str, if_none_match: str | None) -> Response:
    publisher: StatusListPublisher = request.app.state.status_list
    headers = {"Cache-Control": f"public, max-age={int(publisher.refresh)}", "ETag": tag}
    if if_none_match is not None and tag in (part.strip() for part in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(message, media_type=media_type, headers=headers)
