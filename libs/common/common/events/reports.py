"""Events of the reports service."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from common.events.base import Event, Topic

SOURCE = "urn:union:reports"

REPORTS = Topic("reports.report.v1", owner="reports")


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
    status: Literal["formed"]


class ReportFormed(ReportEvent):
    """A report was formed; its figures no longer change."""

    event_type: ClassVar[str] = "reports.report_formed.v1"


REPORT_EVENTS: tuple[type[ReportEvent], ...] = (ReportFormed,)

EVENTS: tuple[type[Event], ...] = REPORT_EVENTS
