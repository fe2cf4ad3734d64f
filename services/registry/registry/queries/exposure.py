"""Who has read whose personal data, for those who look after it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal
from common.http import PageParams, paginate
from registry.models import AccessLog, Application, Member, ReadingAlarm
from registry.queries import reach


@dataclass(frozen=True)
class Asked:
    """What is asked for; what is None is not cut by. `since` is included, `until` is not."""

    subject: str | None = None
    token_id: str | None = None
    whose_id: UUID | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        found = []
        for column, value in (
            (AccessLog.subject, self.subject),
            (AccessLog.token_id, self.token_id),
            (AccessLog.action, self.action),
        ):
            if value is not None:
                found.append(col(column) == value)
        if self.whose_id is not None:
            found.append(col(AccessLog.whose).op("&&")(sa.cast([self.whose_id], sa.ARRAY(sa.Uuid))))
        if self.since is not None:
            found.append(col(AccessLog.at) >= self.since)
        if self.until is not None:
            found.append(col(AccessLog.at) < self.until)
        return found


def _seen(principal: Principal, whose_id: Any) -> sa.ColumnElement[bool]:
    """The id is of a member or an application within the caller's reach."""
    if principal.sees_everything:
        return sa.true()
    member = sa.select(1).where(
        col(Member.member_id) == whose_id, reach.organisations(principal, Member.organisation_id)
    )
    application = sa.select(1).where(
        col(Application.application_id) == whose_id, reach.organisations(principal, Application.organisation_id)
    )
    return sa.or_(member.exists(), application.exists())


async def accesses(
    session: AsyncSession, principal: Principal, page: PageParams, asked: Asked
) -> tuple[list[Any], str | None]:
    """Rows with somebody within the caller's reach; of each, those within it, in `shown`."""
    if principal.sees_everything:
        shown: Any = col(AccessLog.whose)
        any_shown: sa.ColumnElement[bool] = sa.true()
    else:
        each = sa.func.unnest(col(AccessLog.whose)).column_valued("each")
        mine = sa.select(each).where(_seen(principal, each)).correlate(AccessLog)
        shown, any_shown = sa.func.array(mine.scalar_subquery()), mine.exists()
    statement = sa.select(col(AccessLog.access_id), AccessLog, shown.label("shown")).where(
        any_shown, *asked.conditions()
    )
    if asked.whose_id is not None:
        # Else the answer would tell beside whom a person out of reach was shown.
        statement = statement.where(_seen(principal, sa.literal(asked.whose_id, sa.Uuid)))
    return await paginate(session, statement, AccessLog.access_id, page)


async def exposed(
    session: AsyncSession, principal: Principal, page: PageParams, asked: Asked
) -> tuple[list[Any], str | None]:
    """Every record that the asked-about caller or token has seen or changed, once each, in the order of ids."""
    unnested = sa.func.unnest(col(AccessLog.whose)).table_valued("whose_id", name="each").render_derived()
    each = unnested.c.whose_id
    inner = (
        sa.select(
            each.label("whose_id"),
            sa.func.min(col(AccessLog.whose_kind)).label("whose_kind"),
            sa.func.count().label("times"),
            sa.func.min(col(AccessLog.at)).label("first_at"),
            sa.func.max(col(AccessLog.at)).label("last_at"),
            sa.func.array_agg(aggregate_order_by(sa.distinct(col(AccessLog.action)), col(AccessLog.action))).label(
                "actions"
            ),
        )
        .select_from(sa.join(AccessLog, unnested, sa.true()))
        .where(*asked.conditions())
        .group_by(each)
        .subquery()
    )
    statement = sa.select(inner).where(_seen(principal, inner.c.whose_id))
    return await paginate(session, statement, inner.c.whose_id, page)


async def alarms(
    session: AsyncSession, page: PageParams, open_only: bool
) -> tuple[list[ReadingAlarm], str | None]:
    statement = sa.select(ReadingAlarm)
    if open_only:
        statement = statement.where(col(ReadingAlarm.closed_at).is_(None))
    return await paginate(session, statement, ReadingAlarm.alarm_id, page)
