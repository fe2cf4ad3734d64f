"""The operations that phones send. See docs/pocket-sync.md."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from common.events.registry import Category, Purpose, Sex
from common.types import Int32, Line
from registry.consent_texts import CURRENT
from registry.schemas.fields import BusinessDate, Email, NamePart, Phone, Request

Base = Annotated[str, Field(max_length=300)] | None


class OfflineOperation(Request):
    """What every operation has."""

    personal: ClassVar[frozenset[str]] = frozenset()
    """The fields with personal data, which are kept in `person` alone."""

    operation_id: UUID = Field(description="Your own, new for each operation, the same in every repetition.")
    made_at: AwareDatetime | None = Field(default=None, description="By the phone's clock; information only.")
    effective_on: BusinessDate | None = Field(
        default=None,
        description="Default: the day of arrival. At most a year before it, and no later than tomorrow.",
    )

    @property
    def fields(self) -> list[str]:
        """What it proposes of a person; empty for a bare act."""
        return sorted(self.personal)

    def arguments(self) -> dict[str, Any]:
        """The operation without personal data, as it is kept."""
        return self.model_dump(mode="json", exclude={"operation_id", "made_at", *self.personal})


class AdmitMember(OfflineOperation):
    """Enter a person who signed on paper, by the committee's decision."""

    personal: ClassVar[frozenset[str]] = frozenset(
        {"last_name", "first_name", "patronymic", "birth_date", "phone", "email"}
    )

    kind: Literal["admit_member"]
    organisation_id: UUID
    last_name: NamePart
    first_name: NamePart
    patronymic: NamePart | None = None
    birth_date: BusinessDate
    sex: Sex
    phone: Phone | None = None
    email: Email | None = None
    category: Category
    pedagogical: bool | None = None
    consents: list[Purpose] = Field(max_length=8)
    consent_text_version: Line = CURRENT
    protocol_number: Line
    namesake_confirmed: bool = False


class MemberFields(Request):
    """Fields of a member that a phone changes; what is absent is not meant."""

    last_name: NamePart | None = None
    first_name: NamePart | None = None
    patronymic: NamePart | None = None
    phone: Phone | None = None
    email: Email | None = None
    category: Category | None = None

    @property
    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class BaseValues(Request):
    """The values that a change was made on, as the registry gave them."""

    last_name: Base = None
    first_name: Base = None
    patronymic: Base = None
    phone: Base = None
    email: Base = None
    category: Base = None

    @property
    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class ChangeMember(OfflineOperation):
    """Correct the name, change contacts or category, field by field."""

    personal: ClassVar[frozenset[str]] = frozenset({"last_name", "first_name", "patronymic", "phone", "email"})

    kind: Literal["change_member"]
    member_id: UUID
    base_version: Int32 = Field(description="The member's version that the change was made on.")
    base: BaseValues = Field(description="The values of that version, of the same fields as in changes.")
    changes: MemberFields
    reason: Line | None = Field(default=None, description="Of a correction of the name, which needs one.")

    @model_validator(mode="after")
    def same_fields(self) -> "ChangeMember":
        if not self.changes.given or self.changes.given.keys() != self.base.given.keys():
            raise ValueError("changes and base must name the same fields, at least one")
        needed = {"last_name", "first_name", "category"}
        if any(name in needed and value is None for name, value in self.changes.given.items()):
            raise ValueError("last_name, first_name and category cannot be removed")
        if self.reason is None and self.changes.given.keys() & {"last_name", "first_name", "patronymic"}:
            raise ValueError("a correction of the name needs its reason")
        return self

    @property
    def fields(self) -> list[str]:
        return sorted(self.changes.given)

    def arguments(self) -> dict[str, Any]:
        kept = self.model_dump(
            mode="json", include={"kind", "member_id", "base_version", "effective_on", "reason"}
        )
        return {**kept, "changes": self.changes.model_dump(exclude_unset=True, exclude=set(self.personal))}


class Leave(OfflineOperation):
    kind: Literal["leave"]
    member_id: UUID
    base_version: Int32


class GiveConsent(OfflineOperation):
    """On paper, signed by the member."""

    kind: Literal["give_consent"]
    member_id: UUID
    base_version: Int32
    purpose: Purpose
    text_version: Line = CURRENT


class WithdrawConsent(OfflineOperation):
    kind: Literal["withdraw_consent"]
    member_id: UUID
    base_version: Int32
    purpose: Purpose


class DecideApplication(OfflineOperation):
    kind: Literal["decide_application"]
    application_id: UUID
    base_version: Int32
    decision: Literal["admit", "decline"]
    protocol_number: Line | None = Field(default=None, description="Of the committee; needed to admit.")
    reason: Line | None = Field(default=None, description="Needed to decline.")
    namesake_confirmed: bool = False

    @model_validator(mode="after")
    def grounds(self) -> "DecideApplication":
        if (self.protocol_number if self.decision == "admit" else self.reason) is None:
            raise ValueError("to admit needs protocol_number, to decline needs reason")
        return self


class ReleaseMember(OfflineOperation):
    kind: Literal["release_member"]
    member_id: UUID
    base_version: Int32
    to_organisation_id: UUID


class AcceptTransfer(OfflineOperation):
    kind: Literal["accept_transfer"]
    transfer_id: UUID
    base_version: Int32


class RefuseTransfer(OfflineOperation):
    kind: Literal["refuse_transfer"]
    transfer_id: UUID
    base_version: Int32
    reason: Line


Operation = Annotated[
    AdmitMember
    | ChangeMember
    | Leave
    | GiveConsent
    | WithdrawConsent
    | DecideApplication
    | ReleaseMember
    | AcceptTransfer
    | RefuseTransfer,
    Field(discriminator="kind"),
]
OPERATIONS: tuple[type[OfflineOperation], ...] = (
    *(AdmitMember, ChangeMember, Leave, GiveConsent, WithdrawConsent),
    *(DecideApplication, ReleaseMember, AcceptTransfer, RefuseTransfer),
)
OperationKind = Literal[
    "admit_member",
    "change_member",
    "leave",
    "give_consent",
    "withdraw_consent",
    "decide_application",
    "release_member",
    "accept_transfer",
    "refuse_transfer",
]
