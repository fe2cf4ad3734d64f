"""Who visits: the session in a sealed cookie. The portal keeps nothing itself, so any number of it may run."""

import secrets
import time
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import jwt

from common.auth import Principal, Role
from portal.i18n import Language, Translator
from portal.sealing import Seal

LONGEST_COOKIE = 3_800
"""Browsers take 4,096 bytes with the name and the attributes."""


@dataclass
class Session:
    """What the cookie holds. A changed one is sent back with the answer."""

    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    token: str | None = None
    refresh: str | None = None
    token_ends: float = 0.0
    ends: float = 0.0
    notice: str | None = None
    """The key of a sentence that the next page shows once."""
    follow: str | None = None
    """The follow code of an application that this browser sent or looked up."""
    fresh: bool = False
    """The application was sent by the request before: its code is shown large."""

    def packed(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def unpacked(cls, content: dict[str, Any]) -> "Session | None":
        known = {name: value for name, value in content.items() if name in cls.__dataclass_fields__}
        session = cls(**known)
        return session if session.ends > time.time() else None


class SessionTooLarge(Exception):
    """The provider's tokens do not fit into a cookie: give the portal's client smaller ones."""


class Keeper:
    """Reads and writes the cookie."""

    def __init__(self, secrets_: list[str], secure: bool, hours: float) -> None:
        self._seal = Seal(secrets_, "session")
        # __Host-: a browser takes it from no other host, nor without TLS. On this machine there is no TLS.
        self.name = "__Host-session" if secure else "session"
        self._secure = secure
        self._seconds = hours * 3600

    def read(self, cookie: str | None) -> Session | None:
        content = self._seal.open(cookie) if cookie else None
        return Session.unpacked(content) if content else None

    def new(self) -> Session:
        return Session(ends=time.time() + self._seconds)

    def header(self, session: Session | None) -> str:
        """The value of Set-Cookie; None ends the session."""
        attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if self._secure else "")
        if session is None:
            return f"{self.name}=; Max-Age=0{attributes}"
        text = self._seal.close(session.packed())
        if len(text) > LONGEST_COOKIE:
            raise SessionTooLarge
        return f"{self.name}={text}; Max-Age={max(0, int(session.ends - time.time()))}{attributes}"


@dataclass
class Visit:
    """One request's visitor: the session, the language, what the pages ask about both."""

    session: Session
    language: Language
    path: str = "/"
    address: str = "unknown"
    """The browser's, as the trusted proxy tells it: services limit by it."""
    known: bool = False
    """The cookie was there and is good."""
    over: bool = False
    """End the session with this answer."""
    was: str = ""
    touched: bool = False
    """A page with a form was made for this session: it must live until the form comes back."""

    @property
    def t(self) -> Translator:
        return Translator(self.language)

    @property
    def csrf(self) -> str:
        self.touched = True
        return self.session.csrf

    @property
    def signed_in(self) -> bool:
        return self.session.token is not None

    @property
    def principal(self) -> Principal | None:
        """Whom the token names. It was verified when it came, and the cookie is ours: here it is only read."""
        if self.session.token is None:
            return None
        claims = jwt.decode(self.session.token, options={"verify_signature": False, "verify_exp": False})
        return principal_of(claims)

    @property
    def member_id(self) -> UUID | None:
        principal = self.principal
        return principal.member_id if principal and Role.MEMBER in principal.roles else None

    def tell(self, key: str) -> None:
        """Let the next page say this sentence."""
        self.session.notice, self.touched = key, True

    def told(self) -> str | None:
        """The sentence that the page before left, once."""
        key, self.session.notice = self.session.notice, None
        return key


def principal_of(claims: dict[str, Any]) -> Principal:
    known = {role.value for role in Role}
    until = claims.get("powers_until")
    return Principal(
        subject=str(claims["sub"]),
        roles=frozenset(Role(role) for role in claims.get("roles", []) if role in known),
        organisation_id=UUID(claims["organisation_id"]) if claims.get("organisation_id") else None,
        member_id=UUID(claims["member_id"]) if claims.get("member_id") else None,
        powers_until=date.fromisoformat(until) if until else None,
    )
