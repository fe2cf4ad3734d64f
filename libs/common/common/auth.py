"""Who calls, with which roles, and over which organisations: bearer tokens of any OIDC issuer."""

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt
import sqlalchemy as sa
from fastapi import Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from common.errors import Forbidden, PowersEnded, SecondPersonNeeded, Unauthenticated

_REFRESH_SECONDS = 300.0
_SHORTEST_REFRESH = 10.0
"""A token with an unknown key makes us look again, but not more often than this."""

_LEEWAY_SECONDS = 30
_REMEMBERED_TOKENS = 10_000


class Role(StrEnum):
    FEDERAL_STAFF = "federal_staff"
    REGIONAL_STAFF = "regional_staff"
    TERRITORIAL_STAFF = "territorial_staff"
    PRIMARY_STAFF = "primary_staff"
    AUDITOR = "auditor"
    INTERNAL_APP = "internal_app"
    MEMBER = "member"
    PARTNER = "partner"


STAFF = (Role.FEDERAL_STAFF, Role.REGIONAL_STAFF, Role.TERRITORIAL_STAFF, Role.PRIMARY_STAFF)
"""Those who act for an organisation, over its subtree."""


@dataclass(frozen=True)
class Principal:
    """A token's bearer. Claims: `sub`, `jti`, `roles`, `organisation_id`, `member_id`, `partner`, `powers_until`."""

    subject: str
    roles: frozenset[Role]
    organisation_id: UUID | None = None
    member_id: UUID | None = None
    partner: str | None = None
    powers_until: date | None = None
    """The last day of an elected person's powers; null for who is not elected."""
    token_id: str | None = None
    """`jti`: which of the subject's tokens it is; for telling later what a stolen one has seen."""
    lapsed: frozenset[Role] = frozenset()
    """Roles that the token names and that the bearer has no more."""

    def on(self, day: date) -> "Principal":
        """Who the bearer is on a day: the powers follow the term of office, however long the token lives."""
        if self.powers_until is None or day <= self.powers_until:
            return self
        return self.without(STAFF)

    def without(self, roles: Iterable[Role]) -> "Principal":
        """The same bearer, whose powers of these roles have ended."""
        gone = self.roles & frozenset(roles)
        return replace(self, roles=self.roles - gone, lapsed=self.lapsed | gone) if gone else self

    @property
    def sees_everything(self) -> bool:
        """Federal staff, and internal apps and auditors without an organisation, are not cut to a subtree.

        Staff of one organisation whose token names none see nothing, whatever they may read besides:
        an auditor's reach must not become a chairperson's.
        """
        if self.organisation_id is not None:
            return False
        readers = {Role.INTERNAL_APP, Role.AUDITOR}
        return Role.FEDERAL_STAFF in self.roles or bool(self.roles & readers and not self.roles & set(STAFF))


class TokenVerifier:
    """Verifies tokens by the issuer's JWKS, which it keeps and refreshes.

    A verified token is remembered, by its hash, until it expires or the keys are fetched anew.
    """

    def __init__(self, jwks_url: str, issuer: str, audience: str) -> None:
        self._url = jwks_url
        self._issuer = issuer
        self._audience = audience
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = -_REFRESH_SECONDS
        self._lock = asyncio.Lock()
        self._verified: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """Raises Unauthenticated with a reason that helps an honest caller."""
        digest = hashlib.sha256(token.encode()).digest()
        remembered = self._verified.get(digest)
        if remembered and time.time() < remembered[1] and self._age() <= _REFRESH_SECONDS:
            self._verified.move_to_end(digest)
            return remembered[0].on(datetime.now(UTC).date())
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid", "")))
            claims = jwt.decode(
                token,
                key,
                algorithms=["ES256", "RS256", "EdDSA"],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub"]},
            )
            principal = _principal(claims)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired; get a new one.") from None
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            raise Unauthenticated("The token is not one of the trusted issuer for this audience.") from None
        self._verified[digest] = (principal, int(claims["exp"]) + _LEEWAY_SECONDS)
        if len(self._verified) > _REMEMBERED_TOKENS:
            self._verified.popitem(last=False)
        return principal.on(datetime.now(UTC).date())

    def _age(self) -> float:
        return time.monotonic() - self._fetched

    async def published_keys(self) -> set[str]:
        """The ids of the issuer's keys, fetched now. Raises OSError when it is away."""
        await self._refresh()
        return set(self._keys)

    async def _key(self, kid: str) -> jwt.PyJWK:
        age = self._age()
        if age > _REFRESH_SECONDS or (kid not in self._keys and age > _SHORTEST_REFRESH):
            async with self._lock:
                if self._age() >= min(age, _SHORTEST_REFRESH):
                    await self._refresh()
        if kid not in self._keys:
            raise Unauthenticated("The token is signed with a key that the issuer does not publish.")
        return self._keys[kid]

    async def _refresh(self) -> None:
        try:
            if self._url.startswith("file://"):
                document = json.loads(await asyncio.to_thread(Path(self._url.removeprefix("file://")).read_bytes))
            else:
                async with httpx.AsyncClient(timeout=5) as client:
                    response = await client.get(self._url)
                    response.raise_for_status()
                    document = response.json()
            self._keys = {key.key_id or "": key for key in jwt.PyJWKSet.from_dict(document).keys}
            self._verified.clear()
        except (OSError, httpx.HTTPError, ValueError, TypeError, AttributeError, jwt.PyJWTError) as error:
            # Keys once fetched stay good while the issuer is away; without any there is nobody to trust.
            if not self._keys:
                raise OSError("the issuer's keys cannot be fetched") from error
        self._fetched = time.monotonic()


def _principal(claims: dict[str, Any]) -> Principal:
    known = {role.value for role in Role}
    organisation, member = claims.get("organisation_id"), claims.get("member_id")
    until = claims.get("powers_until")
    return Principal(
        subject=str(claims["sub"]),
        roles=frozenset(Role(role) for role in claims.get("roles", []) if role in known),
        organisation_id=UUID(organisation) if organisation else None,
        member_id=UUID(member) if member else None,
        partner=claims.get("partner"),
        powers_until=date.fromisoformat(until) if until else None,
        token_id=str(claims["jti"])[:200] if claims.get("jti") else None,
    )


_KNOWN = "union.principal"
"""Where a request keeps its caller: several dependencies ask."""


class Caller(SecurityBase):
    """A dependency: the caller, or None on a request without a token. A bad token is refused even on public routes.

    A service that keeps the terms of office looks into them (`Service.powers`): a token may outlive them.
    It is the security scheme itself, which the document shows: FastAPI solves every dependency below a dependency
    anew, and four of them cost as much as the answer.
    """

    def __init__(self) -> None:
        self.model = HTTPBearerModel(description="A JWT of the configured issuer")
        self.scheme_name = "HTTPBearer"

    async def __call__(self, request: Request) -> Principal | None:
        return await _caller(request)


class Requirement(Caller):
    """A dependency: the caller, who has at least one of the roles."""

    def __init__(self, roles: Iterable[Role]) -> None:
        super().__init__()
        self.required_roles = frozenset(roles)
        """Read by the scope tests too."""

    async def __call__(self, request: Request) -> Principal:
        principal = await _caller(request)
        if principal is None:
            raise Unauthenticated
        if not principal.roles & self.required_roles:
            if principal.lapsed & self.required_roles:
                raise PowersEnded
            raise Forbidden(f"This needs one of the roles {', '.join(sorted(self.required_roles))}.")
        return principal


async def _caller(request: Request) -> Principal | None:
    if _KNOWN not in request.scope:
        request.scope[_KNOWN] = await _verified(request)
    return request.scope[_KNOWN]  # type: ignore[no-any-return]


async def _verified(request: Request) -> Principal | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    state = request.app.state
    principal: Principal = await state.tokens.verify(token)
    return await state.powers(state.database, principal) if state.powers else principal


optional_principal = Caller()


def require(*roles: Role) -> Requirement:
    return Requirement(roles)


def second_person(principal: Principal, first: str) -> None:
    """Four eyes: refuse to let the one who asked (`first`, a token's subject) be the one who approves."""
    if principal.subject == first:
        raise SecondPersonNeeded


def in_scope(principal: Principal, column: Any, tree: Any) -> sa.ColumnElement[bool]:
    """SQL that cuts `column` (organisation ids) to the caller's subtree of `tree` (id, parent_id).

    `tree` is the service's organisation table; its columns are `organisation_id` and `parent_id`.
    """
    if principal.sees_everything:
        return sa.true()
    if principal.organisation_id is None or not principal.roles & {*STAFF, Role.AUDITOR, Role.INTERNAL_APP}:
        return sa.false()
    return column.in_(subtree(principal.organisation_id, tree))  # type: ignore[no-any-return]


def subtree(root: UUID, tree: Any) -> sa.Select[tuple[UUID]]:
    """The ids of `root` and of all organisations below it."""
    table = tree.__table__
    below = sa.select(table.c.organisation_id).where(table.c.organisation_id == root).cte(recursive=True)
    # Not UNION ALL: moves are told apart from each other, so a circle may stand here for a while, and it must end.
    below = below.union(
        sa.select(table.c.organisation_id).join(below, table.c.parent_id == below.c.organisation_id)
    )
    return sa.select(below.c.organisation_id)
