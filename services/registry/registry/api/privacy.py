"""Care for personal data: erasures with their acts, the access log, who was exposed, alarms."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import AwareDatetime

from common import app
from common.auth import Principal, Role, require
from common.events.registry import MemberErased
from common.http import Page, PageDep, SessionDep, etag
from common.types import Line
from registry.acts import Act, Told, text_of
from registry.api.dependencies import TREE_STAFF, Staff
from registry.commands.audit import record_access
from registry.commands.erasure import request_erasure
from registry.commands.exposure import close_alarm
from registry.config import RegistrySettings
from registry.keys import ErasureKey
from registry.models import Erasure, ReadingAlarm
from registry.queries import exposure, reach, records
from registry.queries.exposure import Asked
from registry.schemas import records as bodies
from registry.schemas.records import AccessView, AlarmView, ApprovalView, ErasureView, ExposedView

router = app.router(tags=["personal data"])

Overseer = Annotated[Principal, Depends(require(*TREE_STAFF, Role.AUDITOR))]
"""Those who answer for what others do with personal data."""
Auditor = Annotated[Principal, Depends(require(Role.FEDERAL_STAFF, Role.AUDITOR))]
Federal = Annotated[Principal, Depends(require(Role.FEDERAL_STAFF))]

Since = Annotated[AwareDatetime | None, Query(description="From this moment on.")]
Until = Annotated[AwareDatetime | None, Query(description="Before this moment.")]


@router.post("/erasures", status_code=201)
async def ask_for_erasure(
    body: bodies.ErasureRequest, request: Request, response: Response, session: SessionDep, principal: Staff
) -> ApprovalView:
    """Ask for a person to be erased, with every record of theirs. Somebody else approves; then there is no way back."""
    now = datetime.now(UTC)
    settings: RegistrySettings = request.app.state.settings
    ErasureKey.load(settings)
    await reach.check_member(session, principal, body.member_id)
    approval = await request_erasure(
        session,
        body.member_id,
        body.request_number,
        body.reason,
        principal.subject,
        settings.approval_days,
        now,
    )
    record_access(session, principal.subject, "request_erasure", "member", [body.member_id], None, now)
    response.headers["ETag"] = etag(approval.version)
    return ApprovalView.model_validate(approval)


@router.get("/erasures")
async def list_erasures(session: SessionDep, principal: Overseer, page: PageDep) -> Page[ErasureView]:
    """Persons of your organisations who were erased: numbers, no names."""
    rows, cursor = await records.erasures(session, principal, page)
    return Page(items=[ErasureView.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/erasures/{erasure_id}/act")
async def read_act(erasure_id: UUID, session: SessionDep, principal: Overseer) -> Act:
    """What was removed where, when and by whom, and what is kept."""
    return Act.model_validate((await records.erasure(session, principal, erasure_id)).act)


@router.get("/erasures/{erasure_id}/act.txt", response_class=PlainTextResponse)
async def read_act_as_text(erasure_id: UUID, session: SessionDep, principal: Overseer) -> str:
    """The act for the file, in Russian, with whether the other services were told."""
    erasure = await records.erasure(session, principal, erasure_id)
    return text_of(Act.model_validate(erasure.act), await _told(session, erasure))


@router.get("/erasures/{erasure_id}/told")
async def read_told(erasure_id: UUID, session: SessionDep, principal: Overseer) -> list[Told]:
    """Whether the broker has acknowledged the event by which the other services forget the person."""
    return await _told(session, await records.erasure(session, principal, erasure_id))


@router.get("/access-log")
async def read_access_log(
    session: SessionDep,
    principal: Overseer,
    page: PageDep,
    subject: Line | None = None,
    token_id: Line | None = None,
    whose_id: Annotated[UUID | None, Query(description="A member's or an application's id.")] = None,
    action: Line | None = None,
    since: Since = None,
    until: Until = None,
) -> Page[AccessView]:
    """Who read or changed whose personal data, when, and why; of people within your reach. Oldest first."""
    asked = Asked(subject, token_id, whose_id, action, since, until)
    rows, cursor = await exposure.accesses(session, principal, page, asked)
    items = [AccessView(**{**row.AccessLog.model_dump(), "whose": row.shown}) for row in rows]
    return Page(items=items, next_cursor=cursor)


@router.get("/exposures")
async def read_exposures(
    session: SessionDep,
    principal: Overseer,
    page: PageDep,
    subject: Line | None = None,
    token_id: Annotated[Line | None, Query(description="`jti` of the token that was stolen.")] = None,
    since: Since = None,
    until: Until = None,
) -> Page[ExposedView]:
    """Who was exposed: every record that this caller or this token has seen in the period, once each.

    Without a subject and a token: everybody whose data were read at all.
    """
    asked = Asked(subject=subject, token_id=token_id, since=since, until=until)
    rows, cursor = await exposure.exposed(session, principal, page, asked)
    return Page(items=[ExposedView.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/reading-alarms")
async def list_alarms(
    session: SessionDep, _principal: Auditor, page: PageDep, state: Literal["open", "all"] = "open"
) -> Page[AlarmView]:
    """Callers who read of unusually many people within an hour."""
    rows, cursor = await exposure.alarms(session, page, open_only=state == "open")
    return Page(items=[AlarmView.model_validate(row) for row in rows], next_cursor=cursor)


@router.post("/reading-alarms/{alarm_id}/close")
async def close(
    alarm_id: UUID,
    body: bodies.ConclusionRequest,
    response: Response,
    session: SessionDep,
    principal: Federal,
) -> AlarmView:
    """Close an alarm with what was found out."""
    now = datetime.now(UTC)
    alarm: ReadingAlarm = await close_alarm(session, alarm_id, principal.subject, body.conclusion, now)
    response.headers["ETag"] = etag(alarm.version)
    return AlarmView.model_validate(alarm)


async def _told(session: SessionDep, erasure: Erasure) -> list[Told]:
    versions: dict[str, int] = erasure.act["told"]
    sent = await records.sent(session, erasure.member_ids, MemberErased.event_type)
    return [
        Told(member_id=UUID(member_id), version=version, sent=UUID(member_id) in sent)
        for member_id, version in versions.items()
    ]
