"""The rows that phones keep: which of them a page has, and how they are read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from registry.models import Application, Consent, Member, OfficeTerm, Organisation, Person, Transfer
from registry.queries.people import known_as

NOWHERE = UUID(int=0)
"""Before every id."""


@dataclass(frozen=True)
class Kind:
    """A kind of rows that phones keep: where they stand, and which of them are alive."""

    name: str
    table: str
    key: str
    organisations: tuple[str, ...]
    alive: str = "true"

    @property
    def ids(self) -> sa.TextClause:
        """After :after, the ids that changed in the kept organisations, and those that live in the loaded ones."""
        loaded = " union all ".join(
            f"select {self.key} as id from {self.table} where {column} = any(:loading) and {self.alive}"  # noqa: S608
            for column in self.organisations
        )
        statement = f"""
            with changed as (
                select row_id as id from sync_change
                where kind = :kind and organisation_id = any(:kept) and row_id > :after
                  and xid >= pg_snapshot_xmin(cast(:since as pg_snapshot))
                  and not pg_visible_in_snapshot(xid, cast(:since as pg_snapshot))
            ), loaded as ({loaded})
            select id, bool_or(was_changed) as was_changed from (
                select id, true as was_changed from changed union all
                select id, false from loaded where id > :after
            ) as either group by id order by id limit :limit
            """  # noqa: S608
        return sa.text(statement).bindparams(
            sa.bindparam("kept", type_=sa.ARRAY(sa.Uuid)),
            sa.bindparam("loading", type_=sa.ARRAY(sa.Uuid)),
            sa.bindparam("after", type_=sa.Uuid),
            sa.bindparam("since", type_=sa.Text),
        )


KINDS = (
    Kind("organisation", "organisation", "organisation_id", ("organisation_id",)),
    Kind("member", "member", "member_id", ("organisation_id",), "status = 'member'"),
    Kind("application", "application", "application_id", ("organisation_id",), "status = 'submitted'"),
    Kind(
        "transfer",
        "transfer",
        "transfer_id",
        ("from_organisation_id", "to_organisation_id"),
        "status = 'released'",
    ),
    Kind("office", "office_term", "term_id", ("organisation_id",), "ends_on >= current_date"),
)


@dataclass(frozen=True)
class Tombstone:
    kind: str
    id: UUID
    reason: str


@dataclass
class Delivery:
    """One page for a phone."""

    root_id: UUID | None
    reset: bool = False
    scope_changed: bool = False
    tombstones: list[Tombstone] = field(default_factory=list)
    organisations: list[Organisation] = field(default_factory=list)
    members: list[tuple[Member, Person, list[str]]] = field(default_factory=list)
    applications: list[tuple[Application, Person, str | None]] = field(default_factory=list)
    transfers: list[tuple[Transfer, Person]] = field(default_factory=list)
    offices: list[tuple[OfficeTerm, Person]] = field(default_factory=list)
    cursor: str = ""
    more: bool = False

    @property
    def says_nothing(self) -> bool:
        rows = (self.organisations, self.members, self.applications, self.transfers, self.offices)
        return not (self.reset or self.scope_changed or self.more or self.tombstones or any(rows))


async def take(
    session: AsyncSession, delivery: Delivery, kind: str, found: Sequence[Any], organisations: Collection[UUID]
) -> None:
    """Read the rows found, into the delivery: those alive as they are now, the others as tombstones."""
    ids = [row.id for row in found]
    if not ids:
        return
    read = {
        "organisation": _organisations,
        "member": _members,
        "application": _applications,
        "transfer": _transfers,
        "office": _offices,
    }[kind]
    alive = await read(session, delivery, ids, list(organisations))
    gone = [row.id for row in found if row.was_changed and row.id not in alive]
    reasons = await _reasons(session, kind, gone, organisations)
    delivery.tombstones += [Tombstone(kind, key, reasons.get(key, "gone")) for key in gone]


async def _organisations(
    session: AsyncSession, delivery: Delivery, ids: list[UUID], organisations: list[UUID]
) -> set[UUID]:
    statement = sa.select(Organisation).where(
        col(Organisation.organisation_id).in_(ids), col(Organisation.organisation_id).in_(organisations)
    )
    rows = (await session.scalars(statement.order_by(col(Organisation.organisation_id)))).all()
    delivery.organisations += rows
    return {row.organisation_id for row in rows}


async def _members(
    session: AsyncSession, delivery: Delivery, ids: list[UUID], organisations: list[UUID]
) -> set[UUID]:
    consents = sa.func.array(Consent.purposes_of(col(Member.member_id)).correlate(Member).scalar_subquery())
    statement = (
        sa.select(Member, Person, consents)
        .join(Person, col(Person.person_id) == col(Member.person_id))
        .where(
            col(Member.member_id) == sa.any_(_ids(ids)),
            col(Member.organisation_id) == sa.any_(_ids(organisations)),
            col(Member.status) == "member",
        )
    )
    rows = (await session.execute(statement.order_by(col(Member.member_id)))).all()
    delivery.members += [(row[0], row[1], row[2]) for row in rows]
    return {row[0].member_id for row in rows}


async def _applications(
    session: AsyncSession, delivery: Delivery, ids: list[UUID], organisations: list[UUID]
) -> set[UUID]:
    statement = (
        sa.select(Application, Person, known_as())
        .join(Person, col(Person.person_id) == col(Application.person_id))
        .where(
            col(Application.application_id) == sa.any_(_ids(ids)),
            col(Application.organisation_id) == sa.any_(_ids(organisations)),
            col(Application.status) == "submitted",
        )
    )
    rows = (await session.execute(statement.order_by(col(Application.application_id)))).all()
    delivery.applications += [(row[0], row[1], row[2]) for row in rows]
    return {row[0].application_id for row in rows}


async def _transfers(
    session: AsyncSession, delivery: Delivery, ids: list[UUID], organisations: list[UUID]
) -> set[UUID]:
    held = _ids(organisations)
    statement = (
        sa.select(Transfer, Person)
        .join(Member, col(Member.member_id) == col(Transfer.member_id))
        .join(Person, col(Person.person_id) == col(Member.person_id))
        .where(
            col(Transfer.transfer_id) == sa.any_(_ids(ids)),
            sa.or_(
                col(Transfer.from_organisation_id) == sa.any_(held),
                col(Transfer.to_organisation_id) == sa.any_(held),
            ),
            col(Transfer.status) == "released",
        )
    )
    rows = (await session.execute(statement.order_by(col(Transfer.transfer_id)))).all()
    delivery.transfers += [(row[0], row[1]) for row in rows]
    return {row[0].transfer_id for row in rows}


async def _offices(
    session: AsyncSession, delivery: Delivery, ids: list[UUID], organisations: list[UUID]
) -> set[UUID]:
    """Terms that are not over; of today and of those to come."""
    statement = (
        sa.select(OfficeTerm, Person)
        .join(Member, col(Member.member_id) == col(OfficeTerm.member_id))
        .join(Person, col(Person.person_id) == col(Member.person_id))
        .where(
            col(OfficeTerm.term_id) == sa.any_(_ids(ids)),
            col(OfficeTerm.organisation_id) == sa.any_(_ids(organisations)),
            col(OfficeTerm.ends_on) >= sa.func.current_date(),
        )
    )
    rows = (await session.execute(statement.order_by(col(OfficeTerm.term_id)))).all()
    delivery.offices += [(row[0], row[1]) for row in rows]
    return {row[0].term_id for row in rows}


async def _reasons(
    session: AsyncSession, kind: str, gone: list[UUID], organisations: Collection[UUID]
) -> dict[UUID, str]:
    """Why a row is the phone's no more. Of a member elsewhere nothing is told but that it is elsewhere."""
    if kind == "member":
        members = sa.select(col(Member.member_id), col(Member.status), col(Member.organisation_id)).where(
            col(Member.member_id) == sa.any_(_ids(gone))
        )
        return {
            row.member_id: row.status if row.organisation_id in organisations else "transferred"
            for row in await session.execute(members)
        }
    if kind in ("application", "transfer"):
        return dict.fromkeys(gone, "decided")
    if kind == "office":
        return dict.fromkeys(gone, "ended")
    return {}


def _ids(values: list[UUID]) -> Any:
    return sa.cast(sa.bindparam(None, values, type_=sa.ARRAY(sa.Uuid)), sa.ARRAY(sa.Uuid))
