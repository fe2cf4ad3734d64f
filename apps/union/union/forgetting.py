"""`union member forgotten`: has every service let go of an erased person?"""

import asyncio
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
import typer

from common.app import Service
from common.db import Database
from registry.cli_people import member_app
from union import output, platform

_OF_ERASURE = sa.text("select member_ids from erasure where erasure_id = :id")
_STATUSES = sa.text("select member_id, status from member where member_id = any(:ids)").bindparams(
    sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid))
)


@member_app.command()
def forgotten(erasure_id: Annotated[UUID, typer.Argument(help="The number of the erasure.")]) -> None:
    """Ask each service's own database whether it has taken the event. Exit code 1 while one has not."""
    members = asyncio.run(_members(erasure_id))
    if not members:
        output.refuse("There is no erasure of this number; `union member journal -` lists them.", 1)
    rows = []
    for service in platform.services():
        statuses = asyncio.run(_statuses(service, members))
        rows += [[service.name, str(member), statuses.get(member, "never heard of")] for member in members]
    output.table("Has everybody let go?", ["service", "member", "its word"], rows)
    if any(word not in ("erased", "never heard of") for _, _, word in rows):
        output.refuse("Not everybody has yet: look at the consumers' lag with `union status`.", 1)


async def _members(erasure_id: UUID) -> list[UUID]:
    database = Database.connect(platform.settings_of(platform.service_named("registry")))
    try:
        async with database.sessions() as session:
            return list(await session.scalar(_OF_ERASURE, {"id": erasure_id}) or ())
    finally:
        await database.close()


async def _statuses(service: Service, members: list[UUID]) -> dict[UUID, str]:
    """What the service's own table of members says; each service keeps one."""
    database = Database.connect(platform.settings_of(service))
    try:
        async with database.sessions() as session:
            rows = await session.execute(_STATUSES, {"ids": members})
            return {row.member_id: row.status for row in rows}
    finally:
        await database.close()
