"""Events of the registry: organisations, members, applications. Sex and birth year, never a name."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from common.events.base import Event, Topic

SOURCE = "urn:union:registry"

ORGANISATIONS = Topic("registry.organisation.v1", owner="registry")
MEMBERS = Topic("registry.member.v1", owner="registry")
APPLICATIONS = Topic("registry.application.v1", owner="registry")
OFFICES = Topic("registry.office.v1", owner="registry")

Kind = Literal[
    "federal",
    "regional",
    "territorial",
    "primary",
    "primary_with_territorial_rights",
    "structural_unit",
    "union_group",
]
InstitutionType = Literal["school", "preschool", "vocational", "university", "supplementary", "authority", "other"]
Category = Literal["working", "student", "pensioner"]
Sex = Literal["female", "male"]
MemberStatus = Literal["member", "left", "expelled", "merged", "erased", "retracted"]
Office = Literal["chair", "deputy_chair", "committee_member", "audit_member"]
Purpose = Literal["membership", "cards", "bonus", "marketing"]


class OrganisationEvent(Event):
    """An organisation's whole public state."""

    topic: ClassVar[Topic] = ORGANISATIONS
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "organisation_id"

    organisation_id: UUID
    parent_id: UUID | None
    """Null for the root alone."""
    kind: Kind
    code: str
    name: str
    status: Literal["active", "closed"]
    institution_type: InstitutionType | None
    employed: int | None
    """Head count of the institution's employees; null when the organisation stands at no institution."""
    students: int | None
    institution_name: str | None = None
    """The employer or place of study that a primary stands at."""
    successor_ids: list[UUID] = Field(default_factory=list)
    """Where members went when it was merged or split; empty while it is whole, or when it was just closed."""


class OrganisationCreated(OrganisationEvent):
    """An organisation was entered in the register."""

    event_type: ClassVar[str] = "registry.organisation_created.v1"


class OrganisationChanged(OrganisationEvent):
    """Institution or head counts."""

    event_type: ClassVar[str] = "registry.organisation_changed.v1"


class OrganisationRenamed(OrganisationEvent):
    """Another name from `effective_on`."""

    event_type: ClassVar[str] = "registry.organisation_renamed.v1"


class OrganisationMoved(OrganisationEvent):
    """Another parent from `effective_on`."""

    event_type: ClassVar[str] = "registry.organisation_moved.v1"


class OrganisationClosed(OrganisationEvent):
    """The organisation ended; it takes no members and no organisations below it."""

    event_type: ClassVar[str] = "registry.organisation_closed.v1"


class OrganisationMerged(OrganisationEvent):
    """The organisation was closed and `successor_ids` (one) took its members and what stood below it."""

    event_type: ClassVar[str] = "registry.organisation_merged.v1"


class OrganisationSplit(OrganisationEvent):
    """Some of the organisation's members went to `successor_ids`; it may live on or be closed."""

    event_type: ClassVar[str] = "registry.organisation_split.v1"


class OrganisationReopened(OrganisationEvent):
    """A closed organisation is active again, or an operation that closed it was undone."""

    event_type: ClassVar[str] = "registry.organisation_reopened.v1"


ORGANISATION_EVENTS: tuple[type[OrganisationEvent], ...] = (
    OrganisationCreated,
    OrganisationChanged,
    OrganisationRenamed,
    OrganisationMoved,
    OrganisationClosed,
    OrganisationMerged,
    OrganisationSplit,
    OrganisationReopened,
)


class MemberEvent(Event):
    """A member's whole public state."""

    topic: ClassVar[Topic] = MEMBERS
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "member_id"

    member_id: UUID
    organisation_id: UUID
    """The primary (or union group, structural unit) of the membership; the last one when it has ended."""
    status: MemberStatus
    """`merged`: a double of another record, never a member of its own; `erased`: the person is forgotten;
    `retracted`: entered by mistake, never a member."""
    category: Category | None
    """Null where the records give none."""
    sex: Sex | None
    birth_year: int
    joined_on: date
    """The first day of the seniority, kept over transfers."""
    left_on: date | None
    """The first day without membership."""
    consents: list[Purpose]
    """The purposes with a consent in force, sorted."""
    pedagogical: bool | None = None
    """Teaching staff or not, among the working; null where the records do not say."""


class MemberAdmitted(MemberEvent):
    """A person became a member: by import of a register, by an application or entered by the staff."""

    event_type: ClassVar[str] = "registry.member_admitted.v1"
    origin: Literal["import", "application", "entry"]


class MemberChanged(MemberEvent):
    """Category, or a correction of what is public."""

    event_type: ClassVar[str] = "registry.member_changed.v1"


class MemberTransferred(MemberEvent):
    """The membership moved to another organisation; the seniority is kept."""

    event_type: ClassVar[str] = "registry.member_transferred.v1"
    from_organisation_id: UUID


class MemberLeft(MemberEvent):
    """The membership ended otherwise than by expulsion."""

    event_type: ClassVar[str] = "registry.member_left.v1"


class MemberExpelled(MemberEvent):
    """The membership ended by a decision of the union."""

    event_type: ClassVar[str] = "registry.member_expelled.v1"


class MemberReinstated(MemberEvent):
    """A membership that had ended goes on as if it had not, from `effective_on`; the seniority is kept."""

    event_type: ClassVar[str] = "registry.member_reinstated.v1"


class MemberMerged(MemberEvent):
    """The record was a double: `into_member_id` goes on, and this one counts on no day at all."""

    event_type: ClassVar[str] = "registry.member_merged.v1"
    into_member_id: UUID


class MemberErased(MemberEvent):
    """The person is forgotten: keep nothing that leads to them. Totals of the past stand."""

    event_type: ClassVar[str] = "registry.member_erased.v1"


class MemberRetracted(MemberEvent):
    """The record was entered by mistake: it counts on no day; `left_on` and `effective_on` are its first day."""

    event_type: ClassVar[str] = "registry.member_retracted.v1"


class ConsentGiven(MemberEvent):
    """The member consented to one purpose."""

    event_type: ClassVar[str] = "registry.consent_given.v1"
    purpose: Purpose


class ConsentWithdrawn(MemberEvent):
    """The member withdrew the consent to one purpose."""

    event_type: ClassVar[str] = "registry.consent_withdrawn.v1"
    purpose: Purpose


MEMBER_EVENTS: tuple[type[MemberEvent], ...] = (
    MemberAdmitted,
    MemberChanged,
    MemberTransferred,
    MemberLeft,
    MemberExpelled,
    MemberReinstated,
    MemberMerged,
    MemberErased,
    MemberRetracted,
    ConsentGiven,
    ConsentWithdrawn,
)


class ApplicationEvent(Event):
    """An application to join, without the applicant."""

    topic: ClassVar[Topic] = APPLICATIONS
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "application_id"

    application_id: UUID
    organisation_id: UUID
    status: Literal["submitted", "admitted", "declined", "withdrawn"]
    member_id: UUID | None
    """Set once admitted."""


class ApplicationSubmitted(ApplicationEvent):
    """Someone applied to join an organisation."""

    event_type: ClassVar[str] = "registry.application_submitted.v1"


class ApplicationDecided(ApplicationEvent):
    """The organisation admitted or declined the applicant, or the applicant withdrew."""

    event_type: ClassVar[str] = "registry.application_decided.v1"


APPLICATION_EVENTS: tuple[type[ApplicationEvent], ...] = (ApplicationSubmitted, ApplicationDecided)


class OfficeEvent(Event):
    """An elected office held by a member for a term."""

    topic: ClassVar[Topic] = OFFICES
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "term_id"

    term_id: UUID
    organisation_id: UUID
    member_id: UUID
    office: Office
    released: bool
    """Paid by the union for the office alone (освобождённый)."""
    starts_on: date
    ends_on: date
    """The last day of the powers."""


class OfficeTaken(OfficeEvent):
    """A member was elected to an office; the term may begin later."""

    event_type: ClassVar[str] = "registry.office_taken.v1"


class OfficeChanged(OfficeEvent):
    """The term was prolonged or corrected, or the holder was released or no longer is."""

    event_type: ClassVar[str] = "registry.office_changed.v1"


class OfficeEnded(OfficeEvent):
    """The powers end before the term does; `ends_on` is the new last day (before `starts_on`: never held)."""

    event_type: ClassVar[str] = "registry.office_ended.v1"


OFFICE_EVENTS: tuple[type[OfficeEvent], ...] = (OfficeTaken, OfficeChanged, OfficeEnded)

EVENTS: tuple[type[Event], ...] = (*ORGANISATION_EVENTS, *MEMBER_EVENTS, *APPLICATION_EVENTS, *OFFICE_EVENTS)
