"""Commands on signing keys: a key is made known, comes to sign, goes on being trusted, is trusted no more."""

import base64
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cards.cose import sign1
from cards.errors import KeyStepNotAllowed
from cards.keyring import trusted_keys
from cards.keys import SigningKey
from cards.models import KeyStatement, TrustedKey
from common.errors import NotFound
from union_card_verifier.cose import ED25519, ESP256, EXP, IAT, KEYS, KEYS_TYPE

_LOCK = sa.text("lock table trusted_key in share row exclusive mode")


async def add_key(session: AsyncSession, key: SigningKey, now: datetime) -> TrustedKey:
    """Make a key known and trusted before it signs, so that every verifier has it in time."""
    await session.execute(_LOCK)
    rows = await trusted_keys(session)
    if key.kid in {row.kid for row in rows}:
        raise KeyStepNotAllowed("This key is known already; `union card keys list` says what it does.")
    if any(row.state == "next" for row in rows):
        raise KeyStepNotAllowed("There is a next key already; rotate to it first, or revoke it.")
    row = TrustedKey(kid=key.kid, jwk=key.jwk, state="next", created_at=now, changed_at=now)
    session.add(row)
    return row


async def rotate_keys(session: AsyncSession, now: datetime) -> TrustedKey:
    """The next key signs from now on; the one before it stays trusted, for the cards in the field."""
    await session.execute(_LOCK)
    rows = {row.state: row for row in await trusted_keys(session) if row.state in ("next", "current")}
    if "next" not in rows:
        raise KeyStepNotAllowed("There is no next key; make one with `union card keys create` first.")
    if "current" in rows:
        rows["current"].state, rows["current"].changed_at = "retired", now
        await session.flush()  # one current key at a time, at every moment
    rows["next"].state, rows["next"].changed_at = "current", now
    return rows["next"]


async def revoke_key(
    session: AsyncSession, kid: bytes, compromised: bool, longest_life: timedelta, now: datetime
) -> TrustedKey:
    """Trust a key no more: every code that it signed turns red.

    A key that signed codes which may still live (`longest_life` since it was retired) only if `compromised`.
    """
    await session.execute(_LOCK)
    row = await session.get(TrustedKey, kid)
    if row is None:
        raise NotFound("signing key", kid.hex())
    if row.state == "current":
        raise KeyStepNotAllowed("This key signs; rotate to another one first.")
    if row.state == "retired" and now - row.changed_at < longest_life and not compromised:
        raise KeyStepNotAllowed(
            "Cards that this key signed are still in the field and would turn red; say --compromised to do it."
        )
    row.state, row.changed_at = "revoked", now
    return row


async def certify_keys(session: AsyncSession, root: SigningKey, days: int, now: datetime) -> KeyStatement:
    """The root key's word for the keys that are trusted now, good for `days`."""
    await session.execute(_LOCK)
    rows = [row for row in await trusted_keys(session) if row.state != "revoked"]
    if not any(row.state == "current" for row in rows):
        raise KeyStepNotAllowed("No key signs yet; start the service or rotate to a key first.")
    if root.kid in {row.kid for row in rows}:
        raise KeyStepNotAllowed(
            "The root key must not be one that signs cards; keep one of its own, away from servers."
        )
    expires_at = now + timedelta(days=days)
    claims = {
        IAT: int(now.timestamp()),
        EXP: int(expires_at.timestamp()),
        KEYS: [_cose_key(row) for row in rows],
    }
    statement = KeyStatement(
        message=sign1(claims, root, KEYS_TYPE),
        kids=[row.jwk["kid"] for row in rows],
        issued_at=now,
        expires_at=expires_at,
    )
    session.add(statement)
    return statement


def _cose_key(row: TrustedKey) -> dict[int, object]:
    """The public half as a COSE_Key (RFC 9052, section 7)."""
    x = _bytes(row.jwk["x"])
    if row.jwk["kty"] == "OKP":
        return {1: 1, 2: row.kid, 3: ED25519, -1: 6, -2: x}
    return {1: 2, 2: row.kid, 3: ESP256, -1: 1, -2: x, -3: _bytes(row.jwk["y"])}


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
