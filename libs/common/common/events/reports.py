"""Events of the reports service."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from common.events.base import Event, Topic

SOURCE = "urn:union:reports"

REPORTS = Topic("reports.report.v1", owner="reports")

ReportStatus = Literal["formed", "signed", "returned", "accepted", "locked", "reopened"]


class ReportEvent(Event):
    """A report's state; its figures are had from the API."""

    topic: ClassVar[Topic] = REPORTS
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "report_id"

    report_id: UUID
    organisation_id: UUID
    form: str
    form_version: int
    as_of: date
    status: ReportStatus
    """`formed`, `returned` and `reopened` are drafts, whose figures follow the base; in the others they stand."""
    revision: int = 1
    """Of the figures: one more each time they were formed anew."""
    edition: int = 1
    """One more with each reopening."""


class ReportFormed(ReportEvent):
    """A report was formed, or formed anew while it was a draft."""

    event_type: ClassVar[str] = "reports.report_formed.v1"


class ReportSigned(ReportEvent):
    """The organisation's chair stands by the figures."""

    event_type: ClassVar[str] = "reports.report_signed.v1"


class ReportReturned(ReportEvent):
    """The organisation above found a fault; the report is a draft again."""

    event_type: ClassVar[str] = "reports.report_returned.v1"


class ReportAccepted(ReportEvent):
    """The organisation above took the report."""

    event_type: ClassVar[str] = "reports.report_accepted.v1"


class ReportLocked(ReportEvent):
    """The period is closed for this report."""

    event_type: ClassVar[str] = "reports.report_locked.v1"


class ReportReopened(ReportEvent):
    """An accepted or locked report is a draft of a new edition; the old one stays readable."""

    event_type: ClassVar[str] = "reports.report_reopened.v1"


REPORT_EVENTS: tuple[type[ReportEvent], ...] = (
    ReportFormed,
    ReportSigned,
    ReportReturned,
    ReportAccepted,
    ReportLocked,
    ReportReopened,
)

EVENTS: tuple[type[Event], ...] = REPORT_EVENTS
