"""How many active members each service knows, by organisation: what is compared to prove that all know the same.

The routes are the same in every service. Organisations fall into 256 buckets by the last byte of their ids; a bucket
has a checksum over its organisations and their numbers, so a comparison of the whole union is one small answer from
each service, and only buckets that differ are opened.
"""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from common.auth import STAFF, Principal, Role, require
from common.http import Page, PageDep, PageParams, ReadSessionDep, paginate

Cut = sa.ColumnElement[bool]
Scope = Callable[[Any], Cut]
"""Cuts a column of organisation ids to what is to be seen."""

_WAITING = sa.text(
    "select (select count(*) from outbox) as unsent, (select count(*) from parked_record) as parked"
)

_Reader = Annotated[Principal, Depends(require(*STAFF, Role.AUDITOR, Role.INTERNAL_APP))]
_Bucket = Annotated[str, Path(pattern="^[0-9a-f]{2}$", description="The last two digits of an organisation's id")]


class CountBucket(BaseModel):
    """Organisations with active members whose ids end alike."""

    bucket: str = Field(description="The last two digits of their ids")
    organisations: int
    members: int
    digest: str = Field(description="MD5 of `id members` of each, by id, joined by commas")


class CountBuckets(BaseModel):
    items: list[CountBucket] = Field(description="At most 256; one without active members is left out")
    unsent: int | None = Field(
        description="Events that wait in this service's outbox; null to who sees a part only"
    )
    parked: int | None = Field(description="Records that this service has set aside; null to who sees a part only")


class MembersCounted(BaseModel):
    organisation_id: UUID
    members: int = Field(description="Active ones")
    heard: str = Field(
        description="MD5 of `id version` of its members, former ones too: alike where the same events were heard"
    )


class Counts:
    """Counts a service's members. `member` has member_id, organisation_id, status and version."""

    def __init__(self, member: type[SQLModel], organisation: type[SQLModel]) -> None:
        self._members: sa.Table = member.__table__  # type: ignore[attr-defined]
        self._organisations: sa.Table = organisation.__table__  # type: ignore[attr-defined]

    async def buckets(self, session: AsyncSession, scope: Scope) -> CountBuckets:
        members = self._members
        counts = (
            sa.select(members.c.organisation_id, sa.func.count().label("members"))
            .where(members.c.status == "member", scope(members.c.organisation_id))
            .group_by(members.c.organisation_id)
            .subquery()
        )
        bucket = _bucket(counts.c.organisation_id).label("bucket")
        rows = await session.execute(
            sa.select(
                bucket,
                sa.func.count().label("organisations"),
                sa.cast(sa.func.sum(counts.c.members), sa.BigInteger).label("members"),
                _digest(counts.c.organisation_id, counts.c.members).label("digest"),
            )
            .group_by(bucket)
            .order_by(bucket)
        )
        items = [CountBucket.model_validate(row, from_attributes=True) for row in rows]
        waiting = (await session.execute(_WAITING)).one()
        return CountBuckets(items=items, unsent=waiting.unsent, parked=waiting.parked)

    async def of_bucket(
        self, session: AsyncSession, scope: Scope, bucket: str, page: PageParams
    ) -> tuple[list[MembersCounted], str | None]:
        """The organisations of a bucket that have, or had, members here, by id; and the next cursor."""
        members, organisation_id = self._members, self._organisations.c.organisation_id
        statement = (
            sa.select(
                organisation_id,
                sa.func.count().filter(members.c.status == "member").label("members"),
                _digest(members.c.member_id, members.c.version).label("heard"),
            )
            .join(members, members.c.organisation_id == organisation_id)
            .where(_bucket(organisation_id) == bucket, scope(organisation_id))
            .group_by(organisation_id)
        )
        rows, cursor = await paginate(session, statement, organisation_id, page)
        return [MembersCounted.model_validate(row, from_attributes=True) for row in rows], cursor


def counts_router(router: APIRouter, counts: Counts, scope: Callable[[Principal, Any], Cut]) -> APIRouter:
    """Add the routes, cut to what `scope` lets the caller see."""

    @router.get("/member-counts/buckets")
    async def list_member_count_buckets(session: ReadSessionDep, principal: _Reader) -> CountBuckets:
        """Checksums of the numbers of active members, by the last two digits of the organisations' ids."""
        found = await counts.buckets(session, lambda column: scope(principal, column))
        return found if principal.sees_everything else found.model_copy(update={"unsent": None, "parked": None})

    @router.get("/member-counts/buckets/{bucket}")
    async def list_member_counts_of_bucket(
        bucket: _Bucket, session: ReadSessionDep, principal: _Reader, page: PageDep
    ) -> Page[MembersCounted]:
        """What a bucket's checksum is made of, and how far this service has heard of each organisation."""
        items, cursor = await counts.of_bucket(session, lambda column: scope(principal, column), bucket, page)
        return Page(items=items, next_cursor=cursor)

    return router


def _bucket(organisation_id: Any) -> sa.ColumnElement[str]:
    return sa.func.right(sa.cast(organisation_id, sa.Text), 2)


def _digest(key: Any, number: Any) -> sa.ColumnElement[str]:
    """Of a group of rows: MD5 over `key number` of each, by key, joined by commas."""
    line = sa.cast(key, sa.Text).concat(" ").concat(sa.cast(number, sa.Text))
    return sa.func.md5(sa.func.string_agg(line, postgresql.aggregate_order_by(sa.literal(","), key)))
