"""The development provider of OpenID Connect: anybody may be anybody. It speaks the same protocol as a real one.

It is mounted only on one machine's stack (`UNION_DEVELOPMENT_ISSUER`), whose issuer's key it signs with.
"""

import base64
import hashlib
import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from local_stack.issuer import Issuer
from portal.apis import ApiProblem, Caller
from portal.config import PortalSettings
from portal.oidc import DEVELOPMENT
from portal.pages import NO_STORE, page
from portal.sealing import Seal

_CODE_SECONDS = 60
_TOKEN_HOURS = 8.0
_SHOWN = 12
_ASKED = frozenset({"client_id", "redirect_uri", "state", "nonce", "code_challenge"})
_ROLE_OF_KIND = {
    "federal": "federal_staff",
    "regional": "regional_staff",
    "territorial": "territorial_staff",
    "primary": "primary_staff",
    "primary_with_territorial_rights": "primary_staff",
}


def router_of(settings: PortalSettings) -> APIRouter:
    assert settings.development_issuer is not None
    issuer = Issuer(settings.development_issuer)
    address = settings.portal_url.rstrip("/") + DEVELOPMENT
    seal = Seal(settings.secrets, "development code")
    used: OrderedDict[str, float] = OrderedDict()
    router = APIRouter(prefix=DEVELOPMENT)

    @router.get("/.well-known/openid-configuration")
    async def discovery() -> dict[str, Any]:
        return {
            "issuer": address,
            "authorization_endpoint": f"{address}/authorize",
            "token_endpoint": f"{address}/token",
            "jwks_uri": f"{address}/jwks.json",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
        }

    @router.get("/jwks.json")
    async def keys() -> Response:
        return Response(issuer.jwks_path.read_bytes(), media_type="application/json")

    def wanted(request: Request) -> dict[str, str]:
        """The portal's own request to sign somebody in, whole, back to the portal alone."""
        query = dict(request.query_params)
        if query.get("redirect_uri") != settings.portal_url.rstrip("/") + "/sign-in/callback" or not (
            query.keys() >= _ASKED
        ):
            raise ApiProblem(400, "sign_in_refused")
        return query

    @router.get("/authorize")
    async def authorize(request: Request) -> Response:
        """Who do you want to be? The choice is a link with the same request and the person in it."""
        query = wanted(request)
        words, organisation_id = query.pop("q", ""), _identifier(query.pop("organisation", ""))
        # The registry is asked as the centre, from this machine: a page for people who build the platform.
        centre = Caller(request.app.state.apis, issuer.mint("development", ["federal_staff"]), "127.0.0.1")
        choice = await _choice(centre, words, organisation_id)
        return page(
            request,
            "development.html",
            query=query,
            words=words,
            kept=urlencode(query),
            **choice,
        )

    @router.get("/choose")
    async def choose(
        request: Request,
        subject: str,
        roles: str,
        organisation_id: UUID | None = None,
        member_id: UUID | None = None,
    ) -> Response:
        query = wanted(request)
        code = seal.close(
            {
                "id": str(uuid4()),
                "ends": time.time() + _CODE_SECONDS,
                "challenge": query["code_challenge"],
                "nonce": query["nonce"],
                "client": query["client_id"],
                "subject": subject,
                "roles": roles.split(),
                "organisation_id": str(organisation_id) if organisation_id else None,
                "member_id": str(member_id) if member_id else None,
            }
        )
        back = urlencode({"code": code, "state": query["state"]})
        return RedirectResponse(f"{query['redirect_uri']}?{back}", 303, NO_STORE)

    @router.post("/token")
    async def token(
        grant_type: Annotated[str, Form()],
        code: Annotated[str, Form()] = "",
        code_verifier: Annotated[str, Form()] = "",
    ) -> Response:
        held = seal.open(code) if grant_type == "authorization_code" else None
        digest = hashlib.sha256(code_verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if held is None or held["ends"] < time.time() or held["challenge"] != challenge or held["id"] in used:
            return JSONResponse({"error": "invalid_grant"}, 400)
        used[held["id"]] = held["ends"]
        while len(used) > 10_000:
            used.popitem(last=False)
        ttl = timedelta(hours=_TOKEN_HOURS)
        access = issuer.mint(
            held["subject"],
            held["roles"],
            organisation_id=held["organisation_id"],
            member_id=held["member_id"],
            ttl=ttl,
        )
        now = int(datetime.now(UTC).timestamp())
        identity = {
            "iss": address,
            "aud": held["client"],
            "sub": held["subject"],
            "nonce": held["nonce"],
            "iat": now,
            "exp": now + 300,
        }
        return JSONResponse(
            {
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": int(ttl.total_seconds()),
                "id_token": issuer.sign(identity),
            },
            headers=NO_STORE,
        )

    return router


def _identifier(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise ApiProblem(400, "sign_in_refused") from None


async def _choice(centre: Caller, words: str, organisation_id: UUID | None) -> dict[str, Any]:
    """The people to choose from: participants of the bonus programme, or an organisation's members and office."""
    found: dict[str, Any] = {"organisations": [], "members": [], "organisation": None, "roles": _ROLE_OF_KIND}
    if organisation_id:
        found["organisation"] = await centre.get("registry", f"/v1/organisations/{organisation_id}")
        page = await centre.get(
            "registry",
            "/v1/members",
            organisation_id=str(organisation_id),
            status="member",
            limit=_SHOWN,
            purpose="control",
        )
        found["members"] = page["items"]
        return found
    if words:
        found["organisations"] = await centre.get("registry", "/v1/organisation-search", q=words, limit=_SHOWN)
    else:
        for kind in ("federal", "regional", "territorial", "primary"):
            page = await centre.get("registry", "/v1/organisations", kind=kind, status="active", limit=4)
            found["organisations"] += page["items"]
        found["members"] = await _participants(centre)
    return found


async def _participants(centre: Caller) -> list[dict[str, Any]]:
    taking_part = await centre.get("cashback", "/v1/participants", limit=200)
    ids = [row["member_id"] for row in taking_part["items"] if row["status"] == "enrolled"][:_SHOWN]
    if not ids:
        return []
    page = await centre.get("registry", "/v1/members", member_id=ids, limit=_SHOWN, purpose="control")
    people: list[dict[str, Any]] = page["items"]
    return people
