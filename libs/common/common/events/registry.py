"""Events of the registry: organisations, members, applications. Sex and birth year, never a name."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from common.events.base import Event, Topic

SOURCE = "urn:union:registry"

ORGANISATIONS = Topic("registry.organisation.v1", owner="registry")
MEMBERS = Topic("registry.member.v1", owner="registry")
APPLICATIONS = Topic("registry.application.v1", owner="registry")

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
MemberStatus = Literal["member", "left", "expelled"]
Purpose = Literal["membership", "cards", "bonus", "marketing"]


class OrganisationEvent(Event):
    """An organisation's whole public state."""

    topic: ClassVar[Topic] = ORGANISATIONS
    source: ClassVar[str] = SOURCE
    key_field: ClassVar[str] = "organisation_id"

    organisation_id: UUID
    parent_id: UUID | None
    """None for the root alone."""
    kind: Kind
    code: str
    name: str
    status: Literal["active", "closed"]
    institution_type: InstitutionType | None
    employed: int | None
    """Head count of the institution's employees; None when the organisation stands at no institution."""
    students: int | None


class OrganisationCreated(OrganisationEvent):
    event_type: ClassVar[str] = "registry.organisation_created.v1"


class OrganisationChanged(OrganisationEvent):
    """Institution or head counts."""

    event_type: ClassVar[str] = "registry.organisation_changed.v1"


class OrganisationRenamed(OrganisationEvent):
    event_type: ClassVar[str] = "registry.organisation_renamed.v1"


class OrganisationMoved(OrganisationEvent):
    """Another parent from `effective_on`."""

    event_type: ClassVar[str] = "registry.organisation_moved.v1"


class OrganisationClosed(OrganisationEvent):
    event_type: ClassVar[str] = "registry.organisation_closed.v1"


ORGANISATION_EVENTS: tuple[type[OrganisationEvent], ...] = (
    OrganisationCreated,
    OrganisationChanged,
    OrganisationRenamed,
    OrganisationMoved,
    OrganisationClosed,
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
    category: Category | None
    """None where the records give none."""
    sex: Sex | None
    birth_year: int
    joined_on: date
    """The first day of the seniority, kept over transfers."""
    left_on: date | None
    """The first day without membership."""
    consents: list[Purpose]
    """The purposes with a consent in force, sorted."""


class MemberAdmitted(MemberEvent):
    event_type: ClassVar[str] = "registry.member_admitted.v1"
    origin: Literal["import", "application"]


class MemberChanged(MemberEvent):
    """Category, or a correction of what is public."""

    event_type: ClassVar[str] = "registry.member_changed.v1"


class MemberTransferred(MemberEvent):
    event_type: ClassVar[str] = "registry.member_transferred.v1"
    from_organisation_id: UUID


class MemberLeft(MemberEvent):
    event_type: ClassVar[str] = "registry.member_left.v1"


class MemberExpelled(MemberEvent):
    event_type: ClassVar[str] = "registry.member_expelled.v1"


class ConsentGiven(MemberEvent):
    event_type: ClassVar[str] = "registry.consent_given.v1"
    purpose: Purpose


class ConsentWithdrawn(MemberEvent):
    event_type: ClassVar[str] = "registry.consent_withdrawn.v1"
    purpose: Purpose


MEMBER_EVENTS: tuple[type[MemberEvent], ...] = (
    MemberAdmitted,
    MemberChanged,
    MemberTransferred,
    MemberLeft,
    MemberExpelled,
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
    status: Literal["submitted", "admitted", "declined"]
    member_id: UUID | None
    """Set once admitted."""


class ApplicationSubmitted(ApplicationEvent):
    event_type: ClassVar[str] = "registry.application_submitted.v1"


class ApplicationDecided(ApplicationEvent):
    event_type: ClassVar[str] = "registry.application_decided.v1"


APPLICATION_EVENTS: tuple[type[ApplicationEvent], ...] = (ApplicationSubmitted, ApplicationDecided)

EVENTS: tuple[type[Event], ...] = (*ORGANISATION_EVENTS, *MEMBER_EVENTS, *APPLICATION_EVENTS)
