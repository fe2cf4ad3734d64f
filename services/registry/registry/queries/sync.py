"""What a phone of the staff gets: all rows of its organisations, then what changed, page by page.

The cursor is exact: it keeps the snapshot (pg_current_snapshot) under which the phone was served, and the next round
gives every change whose transaction had not ended in that snapshot. A sequence or a clock would skip a transaction
that numbers its rows early and commits late; a snapshot names it.
"""

import base64
import binascii
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from uuid_utils.compat import uuid7

from common.auth import Principal, subtree
from common.errors import CursorInvalid
from registry import errors
from registry.models import Organisation, SyncCursor
from registry.queries import reach
from registry.queries.sync_rows import KINDS, NOWHERE, Delivery, Tombstone, take

MOST_MEMBERS = 50_000
"""Of one phone: some 50 MB in its store, and half a minute over a slow line."""
_RENEWED_AFTER = timedelta(days=1)
"""A cursor goes on while there is nothing new, but not so long that the log of changes forgets it."""
_DONE = 255


_FACTS = sa.text(
    "select cast(pg_current_snapshot() as text) as snapshot,"
    " (select system_identifier from pg_control_system()) as cluster"
)
_RELOAD = sa.text(
    """
    select distinct organisation_id from sync_change
    where organisation_id = any(:kept) and row_id is null
      and xid >= pg_snapshot_xmin(cast(:since as pg_snapshot))
      and not pg_visible_in_snapshot(xid, cast(:since as pg_snapshot))
    """
).bindparams(sa.bindparam("kept", type_=sa.ARRAY(sa.Uuid)), sa.bindparam("since", type_=sa.Text))
_COUNT = sa.text(
    "select count(*) from (select from member where organisation_id = any(:loading) and status = 'member'"
    " limit :limit) as first_members"
).bindparams(sa.bindparam("loading", type_=sa.ARRAY(sa.Uuid)))
_HELD = sa.text(
    "select distinct unnest(organisations) from sync_cursor where subject = :subject and device_id = :device"
)


@dataclass(frozen=True)
class Position:
    """Where in a round a phone is: which kind, and the last id that it has."""

    cursor_id: UUID
    kind: int = 0
    after: UUID = NOWHERE

    def encode(self) -> str:
        packed = struct.pack(">16sB16s", self.cursor_id.bytes, self.kind, self.after.bytes)
        return base64.urlsafe_b64encode(packed).decode()

    @classmethod
    def decode(cls, text: str) -> "Position":
        """Raises CursorInvalid for what no synchronisation gave out."""
        try:
            packed = base64.b64decode(text, altchars=b"-_", validate=True)
            cursor, kind, after = struct.unpack(">16sB16s", packed)
        except (ValueError, binascii.Error, struct.error):
            raise CursorInvalid from None
        return cls(UUID(bytes=cursor), kind, UUID(bytes=after))


async def known_device(session: AsyncSession, subject: str, device_id: UUID) -> bool:
    """The bearer has synchronised this phone before, with whatever rights."""
    statement = sa.select(SyncCursor.cursor_id).where(  # type: ignore[call-overload]
        col(SyncCursor.subject) == subject, col(SyncCursor.device_id) == device_id
    )
    return await session.scalar(statement.limit(1)) is not None


async def held_organisations(session: AsyncSession, subject: str, device_id: UUID) -> frozenset[UUID]:
    """Every organisation whose rows the bearer's phone was ever given."""
    return frozenset(await session.scalars(_HELD, {"subject": subject, "device": device_id}))


async def scope(session: AsyncSession, principal: Principal) -> tuple[UUID | None, frozenset[UUID]]:
    """The token's organisation with all below it, now; nothing for who no longer acts for one."""
    if not reach.acts_as_staff(principal):
        return None, frozenset()
    if principal.organisation_id is None:
        raise errors.OrganisationNeeded
    return principal.organisation_id, frozenset(
        await session.scalars(subtree(principal.organisation_id, Organisation))
    )


async def synchronise(
    session: AsyncSession,
    principal: Principal,
    device_id: UUID,
    cursor: str | None,
    limit: int,
    keep_days: int,
    now: datetime,
) -> Delivery:
    """The next page for the phone. Under repeatable read: one snapshot for the page and for its cursor.

    A cursor that is unknown, another's, too old or of another database starts afresh (`reset`).
    """
    root, organisations = await scope(session, principal)
    position = Position.decode(cursor) if cursor else None
    facts = (await session.execute(_FACTS)).one()
    came_with = await session.get(SyncCursor, position.cursor_id) if position else None
    if came_with and (
        (came_with.subject, came_with.device_id, came_with.cluster)
        != (principal.subject, device_id, facts.cluster)
        or came_with.created_at < now - timedelta(days=keep_days)
    ):
        came_with = None
    if came_with and position and position.kind != _DONE:
        delivery = Delivery(root)
        await _fill(session, delivery, came_with, position, organisations, limit, first=False)
        return delivery
    lost, loading, reloaded = await _difference(session, organisations, came_with)
    round_ = SyncCursor(
        cursor_id=uuid7(),
        subject=principal.subject,
        device_id=device_id,
        root_id=root,
        snapshot=facts.snapshot,
        since=came_with.snapshot if came_with else None,
        organisations=sorted(organisations),
        loading=sorted(loading),
        cluster=facts.cluster,
        created_at=now,
    )
    delivery = Delivery(
        root,
        reset=came_with is None,
        scope_changed=came_with is not None
        and (set(came_with.organisations) != organisations or came_with.root_id != root),
        tombstones=[Tombstone("organisation", key, "scope_changed") for key in sorted(lost)]
        + [Tombstone("organisation", key, "reload") for key in sorted(reloaded)],
    )
    await _fill(session, delivery, round_, Position(round_.cursor_id), organisations, limit, first=True)
    if came_with and delivery.says_nothing and now - came_with.created_at < _RENEWED_AFTER:
        delivery.cursor = Position(came_with.cursor_id, _DONE).encode()
    else:
        session.add(round_)
    return delivery


async def _difference(
    session: AsyncSession, organisations: frozenset[UUID], before: SyncCursor | None
) -> tuple[frozenset[UUID], frozenset[UUID], frozenset[UUID]]:
    """The organisations that the phone loses, those that it loads whole, and which of these it had already."""
    had = frozenset(before.organisations) if before else frozenset()
    kept = had & organisations
    reloaded: frozenset[UUID] = frozenset()
    if before and kept:
        values = {"kept": sorted(kept), "since": before.snapshot}
        reloaded = frozenset(await session.scalars(_RELOAD, values))
    loading = (organisations - had) | reloaded
    if loading:
        count = await session.scalar(_COUNT, {"loading": sorted(loading), "limit": MOST_MEMBERS + 1})
        if count is not None and count > MOST_MEMBERS:
            raise errors.ScopeTooLarge(MOST_MEMBERS)
    return had - organisations, loading, reloaded


async def _fill(
    session: AsyncSession,
    delivery: Delivery,
    round_: SyncCursor,
    position: Position,
    organisations: frozenset[UUID],
    limit: int,
    first: bool,
) -> None:
    """Put up to `limit` rows into the delivery, and where the next page goes on."""
    kept = sorted(set(round_.organisations) - set(round_.loading))
    room, after = limit, position.after
    for number in range(position.kind, len(KINDS)):
        kind = KINDS[number]
        values = {
            "kind": kind.name,
            "kept": kept,
            "loading": round_.loading,
            "since": round_.since or round_.snapshot,
            "after": after,
            "limit": room + 1,
        }
        found = (await session.execute(kind.ids, values)).all()
        await take(session, delivery, kind.name, found[:room], organisations)
        if len(found) > room:
            delivery.cursor = Position(round_.cursor_id, number, found[room - 1].id).encode()
            delivery.more = True
            return
        room, after = room - len(found), NOWHERE
        if room == 0 and number + 1 < len(KINDS):
            delivery.cursor, delivery.more = Position(round_.cursor_id, number + 1).encode(), True
            return
    # What took several pages was read at several moments: one round more brings the phone to one of them.
    delivery.cursor, delivery.more = Position(round_.cursor_id, _DONE).encode(), not first
