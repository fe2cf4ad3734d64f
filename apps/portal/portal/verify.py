"""The page of shops: it checks cards by camera, without a network once it was opened."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from portal.pages import CallerDep, page

router = APIRouter()

_STATUS_LIST = "application/statuslist+cwt"


@router.get("/verify")
async def verify(request: Request) -> Response:
    return page(request, "verify.html", reasons=REASONS)


@router.get("/verify/keys")
async def keys(caller: CallerDep) -> Response:
    """The union's public keys, from our own address: the page calls no other host."""
    answer = await caller.read("cards", "/.well-known/jwks.json")
    return Response(answer.content, media_type="application/json", headers={"Cache-Control": "no-cache"})


@router.get("/verify/status-list")
async def status_list(caller: CallerDep) -> Response:
    """Which cards are not valid: signed, so that nobody on the way can change it."""
    answer = await caller.read("cards", "/v1/status-list", accept=_STATUS_LIST)
    return Response(answer.content, media_type=_STATUS_LIST, headers={"Cache-Control": "no-cache"})


REASONS = (
    *("valid", "status_unknown", "status_stale", "keys_expired", "not_a_card", "unreadable", "algorithm_refused"),
    *("unknown_key", "signature_wrong", "expired", "blocked", "suspended", "not_active", "proof_missing"),
    *("proof_wrong", "screenshot", "clock_ahead", "replayed", "browser_too_old", "not_ready"),
)
"""docs/cards/format.md: what is said of a code; the last two are this page's own."""
