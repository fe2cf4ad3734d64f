"""The hash chain over the journal, and its signed checkpoints.

A link is forged after the entry's own transaction, so that writers do not wait for each other:
`content` = SHA-256 of the entry with its postings, `digest` = SHA-256 of the previous digest and `content`.
A checkpoint signs the last link of a day with Ed25519; who can rewrite the whole database still cannot sign.
What was posted after the last checkpoint is covered by the chain alone; a checkpoint that was published
(`cashback.ledger_sealed.v1`) is an anchor outside this database.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy.ext.asyncio import AsyncSession

from cashback.keys import key_id
from cashback.models import Checkpoint
from common.events.cashback import LedgerSealed
from common.outbox import publish

GENESIS = bytes(32)
"""What the first link is chained to."""

BATCH = 10_000
"""Entries that are chained in one go."""

_LOCK = 0x636861696E
_OVERLAP = timedelta(hours=1)
"""Entries are looked for from so long before the newest link: longer than any transaction takes to commit."""

_ENTRY = """
    e.entry_id, e.kind, e.reference, e.reversal_of, e.explained, e.lines,
    cast(extract(epoch from e.occurred_at) * 1000000 as bigint) as occurred,
    cast(extract(epoch from e.recorded_at) * 1000000 as bigint) as recorded,
    (select jsonb_agg(jsonb_build_array(p.line, p.account_id, p.amount, p.currency) order by p.line)
     from posting p where p.entry_id = e.entry_id) as postings
"""
_UNCHAINED = sa.text(
    f"""
    select {_ENTRY} from journal_entry e
    where e.entry_id >= :since and not exists (select from chain_link l where l.entry_id = e.entry_id)
    order by e.recorded_at, e.entry_id limit :limit
    """  # noqa: S608 (our own columns)
).bindparams(sa.bindparam("since", type_=sa.Uuid))
_LAST = sa.text("select sequence, digest, entry_id from chain_link order by sequence desc limit 1")
_APPEND = sa.text(
    "insert into chain_link (sequence, entry_id, content, digest)"
    " select * from unnest(:sequences, :ids, :contents, :digests)"
).bindparams(
    sa.bindparam("sequences", type_=sa.ARRAY(sa.BigInteger)),
    sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("contents", type_=sa.ARRAY(sa.LargeBinary)),
    sa.bindparam("digests", type_=sa.ARRAY(sa.LargeBinary)),
)
_WALK = sa.text(
    f"""
    select l.sequence, l.entry_id as linked, l.content, l.digest, {_ENTRY}
    from chain_link l left join journal_entry e using (entry_id)
    where l.sequence > :after order by l.sequence limit :limit
    """  # noqa: S608
)
_WAITING = sa.text(
    "select count(*) from journal_entry e where not exists (select from chain_link l where l.entry_id = e.entry_id)"
)


def content_of(row: Any) -> bytes:
    """SHA-256 over everything that an entry says, its postings included."""
    said = [
        str(row.entry_id),
        row.kind,
        row.reference,
        str(row.reversal_of),
        row.occurred,
        row.recorded,
        row.explained,
        row.lines,
        row.postings or [],
    ]
    return hashlib.sha256(orjson.dumps(said)).digest()


def next_digest(previous: bytes, content: bytes) -> bytes:
    return hashlib.sha256(previous + content).digest()


async def extend(session: AsyncSession, limit: int = BATCH, everything: bool = False) -> int:
    """Chain up to `limit` entries that are not chained yet; returns how many.

    Looks among the newest only, unless told to look at `everything`. One at a time: others wait.
    """
    connection = await session.connection()
    await connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    last = (await connection.execute(_LAST)).first()
    since = UUID(int=0) if last is None or everything else _earlier(last.entry_id)
    rows = (await connection.execute(_UNCHAINED, {"since": since, "limit": limit})).all()
    if not rows:
        return 0
    sequence, digest = (last.sequence, bytes(last.digest)) if last else (0, GENESIS)
    contents, digests = [], []
    for row in rows:
        contents.append(content_of(row))
        digest = next_digest(digest, contents[-1])
        digests.append(digest)
    await connection.execute(
        _APPEND,
        {
            "sequences": list(range(sequence + 1, sequence + len(rows) + 1)),
            "ids": [row.entry_id for row in rows],
            "contents": contents,
            "digests": digests,
        },
    )
    return len(rows)


def _earlier(entry_id: UUID) -> UUID:
    """The least UUIDv7 of the moment that lies `_OVERLAP` before that of `entry_id`."""
    milliseconds = (entry_id.int >> 80) - int(_OVERLAP.total_seconds() * 1000)
    return UUID(int=max(0, milliseconds) << 80)


def signed_text(day: date, sequence: int, digest: bytes) -> bytes:
    return f"union-ledger-checkpoint\n{day.isoformat()}\n{sequence}\n{digest.hex()}\n".encode()


async def seal_until(session: AsyncSession, key: Ed25519PrivateKey, day: date, now: datetime) -> int:
    """Seal each day after the last sealed one up to `day`, or `day` alone when there is none; returns how many."""
    newest = await session.scalar(sa.select(sa.func.max(Checkpoint.day)))
    first = day if newest is None else newest + timedelta(1)
    days = [first + timedelta(n) for n in range((day - first).days + 1)]
    for each in days:
        await seal(session, key, each, now)
        await session.flush()
    return len(days)


async def seal(session: AsyncSession, key: Ed25519PrivateKey, day: date, now: datetime) -> Checkpoint | None:
    """Chain what is left and sign the chain's end as that of `day`; None when the day is sealed already."""
    while await extend(session, everything=True):
        pass
    newest = await session.scalar(sa.select(sa.func.max(Checkpoint.day)))
    if newest is not None and newest >= day:
        return None
    last = (await session.execute(_LAST)).first()
    sequence, digest = (last.sequence, bytes(last.digest)) if last else (0, GENESIS)
    checkpoint = Checkpoint(
        day=day,
        sequence=sequence,
        digest=digest,
        key_id=key_id(key.public_key()),
        signature=key.sign(signed_text(day, sequence, digest)),
        made_at=now,
    )
    session.add(checkpoint)
    number = await session.scalar(sa.select(sa.func.count()).select_from(Checkpoint))
    publish(
        session,
        LedgerSealed(
            version=number or 1,
            effective_on=day,
            ledger="cashback",
            sequence=sequence,
            digest=digest.hex(),
            key_id=checkpoint.key_id,
            seal=checkpoint.signature.hex(),
        ),
    )
    return checkpoint


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written. `code`: changed, deleted, reordered, missing_link, checkpoint_…"""

    code: str
    entry_id: UUID | None
    sentence: str


@dataclass(frozen=True)
class Anchor:
    """A checkpoint as somebody outside keeps it: one that was published, printed or sent to an auditor."""

    day: date
    sequence: int
    digest: bytes
    signature: bytes


@dataclass(frozen=True)
class ChainVerification:
    links: int
    checkpoints: int
    waiting: int
    """Entries that wait for their link: the round takes them."""
    findings: tuple[Finding, ...]


_SHOWN = 100
"""Findings that are told of at most: the first is what matters."""


async def verify_chain(
    session: AsyncSession, trusted: Sequence[Ed25519PublicKey], anchors: Sequence[Anchor] = ()
) -> ChainVerification:
    """Walk along the chain, compare each entry with its link and each checkpoint with the chain; changes nothing.

    `trusted` are the public keys that checkpoints may be signed with, from outside this database.
    """
    checkpoints = (await session.scalars(sa.select(Checkpoint).order_by(sa.text("sequence, day")))).all()
    wanted = [Anchor(c.day, c.sequence, bytes(c.digest), bytes(c.signature)) for c in checkpoints]
    findings: list[Finding] = []
    keys = {key_id(key): key for key in trusted}
    findings += [finding for anchor in (*wanted, *anchors) if (finding := _unsigned(anchor, keys))]
    findings += _missing_days([checkpoint.day for checkpoint in checkpoints], anchors)
    at: dict[int, list[Anchor]] = {}
    for anchor in (*wanted, *anchors):
        at.setdefault(anchor.sequence, []).append(anchor)
    expected, previous = 1, GENESIS
    async for row in _links(session):
        if row.sequence != expected:
            told = f"links {expected} to {row.sequence - 1} are gone from the chain"
            findings.append(Finding("missing_link", row.linked, told))
        findings += _of_link(row, previous)
        for anchor in at.pop(row.sequence, []):
            if anchor.digest != row.digest:
                told = f"the chain up to link {row.sequence} is not the one that was sealed on {anchor.day}"
                findings.append(Finding("checkpoint_differs", row.linked, told))
        expected, previous = row.sequence + 1, bytes(row.digest)
    for sequence, sealed in sorted(at.items()):
        if sequence:
            told = f"the checkpoint of {sealed[0].day} covers link {sequence}; the chain ends at {expected - 1}"
            findings.append(Finding("truncated", None, told))
    waiting = int((await session.execute(_WAITING)).scalar_one())
    return ChainVerification(expected - 1, len(checkpoints), waiting, tuple(findings[:_SHOWN]))


async def _links(session: AsyncSession) -> AsyncIterator[Any]:
    after = 0
    while True:
        rows = (await session.execute(_WALK, {"after": after, "limit": 5000})).all()
        for row in rows:
            yield row
        if not rows:
            return
        after = rows[-1].sequence


def _of_link(row: Any, previous: bytes) -> list[Finding]:
    if row.entry_id is None:
        return [
            Finding("deleted", row.linked, f"entry {row.linked} (link {row.sequence}) is gone from the journal")
        ]
    found = []
    if content_of(row) != row.content:
        found.append(Finding("changed", row.linked, f"entry {row.linked} (link {row.sequence}) is not as it was"))
    if next_digest(previous, bytes(row.content)) != row.digest:
        told = f"link {row.sequence} (entry {row.linked}) does not follow from the one before it"
        found.append(Finding("reordered", row.linked, told))
    return found


def _unsigned(anchor: Anchor, keys: dict[str, Ed25519PublicKey]) -> Finding | None:
    text = signed_text(anchor.day, anchor.sequence, anchor.digest)
    for key in keys.values():
        try:
            key.verify(anchor.signature, text)
        except InvalidSignature:
            continue
        return None
    return Finding(
        "checkpoint_unsigned", None, f"the checkpoint of {anchor.day} has no signature of a trusted key"
    )


def _missing_days(days: list[date], anchors: Sequence[Anchor]) -> list[Finding]:
    """Every day from the first to the last has a checkpoint, and so has every day that is known from outside."""
    have = set(days)
    due = {anchor.day for anchor in anchors}
    if days:
        first, last = min(days), max(days)
        due |= {first + timedelta(n) for n in range((last - first).days + 1)}
    return [Finding("checkpoint_missing", None, f"the checkpoint of {day} is gone") for day in sorted(due - have)]
