"""The registry's refusals."""

from common.errors import BusinessError, Forbidden


class DateOutOfRange(BusinessError):
    status = 422
    code = "date_out_of_range"

    def __init__(self, field: str) -> None:
        super().__init__(
            f"The date {field} lies in the future or before what it follows; correct it.", field=field
        )


class PlacementRefused(BusinessError):
    code = "placement_refused"

    def __init__(self, kind: str, parent_kind: str | None) -> None:
        super().__init__(
            f"A {kind} organisation cannot stand under {parent_kind or 'nothing'}; name another parent."
        )


class CycleRefused(BusinessError):
    code = "organisation_cycle"

    def __init__(self) -> None:
        super().__init__(
            "The new parent stands below the organisation itself on some day; name another parent or day."
        )


class OrganisationClosedAlready(BusinessError):
    code = "organisation_closed"

    def __init__(self) -> None:
        super().__init__("The organisation is closed; use one that is active.")


class OrganisationActive(BusinessError):
    code = "organisation_active"

    def __init__(self) -> None:
        super().__init__("The organisation is active; only what was closed can be reopened.")


class RootStays(BusinessError):
    code = "root_stays"

    def __init__(self) -> None:
        super().__init__("The root is neither merged, split, moved nor closed.")


class SameOrganisation(BusinessError):
    code = "same_organisation"

    def __init__(self) -> None:
        super().__init__("An organisation cannot go on in itself; name another one.")


class MergeRefused(BusinessError):
    code = "merge_refused"

    def __init__(self, kind: str, into: str) -> None:
        super().__init__(f"A {kind} organisation cannot go on in a {into} one: one of them takes no members.")


class NotBelow(BusinessError):
    code = "unit_not_below"

    def __init__(self) -> None:
        super().__init__(
            "One of unit_ids does not stand directly below the organisation; read its children again."
        )


class MembersElsewhere(BusinessError):
    code = "members_elsewhere"

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} of member_ids are not members of the organisation, or an earlier part takes them; leave them out."
        )


class MembersLeft(BusinessError):
    code = "members_left"

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} members are taken by no part, and the organisation closes; give the last part rest = true."
        )


class UndoRefused(BusinessError):
    code = "undo_refused"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"Something later depends on the operation: {what}. Undo that first, or correct it by hand."
        )


class NotToUndo(BusinessError):
    code = "not_to_undo"

    def __init__(self, status: str) -> None:
        super().__init__(
            f"Only an operation that is done can be undone, once; this one is {status} or is an undoing itself."
        )


class ApprovalNeeded(BusinessError):
    code = "approval_needed"

    def __init__(self) -> None:
        super().__init__(
            "So many members or organisations are concerned that a second person must approve: ask for it with "
            "POST /v1/organisation-operations."
        )


class OperationDecided(BusinessError):
    code = "operation_decided"

    def __init__(self, status: str) -> None:
        super().__init__(f"The operation is {status}; there is nothing left to approve or cancel.")


class ParentNotThere(BusinessError):
    code = "parent_not_active"

    def __init__(self) -> None:
        super().__init__("The organisation named is not active from that day on; name another one or a later day.")


class EarlierThanLastChange(BusinessError):
    code = "earlier_than_last_change"

    def __init__(self) -> None:
        super().__init__("Something later is recorded already; give a day that is not before the last change.")


class CodeTaken(BusinessError):
    code = "organisation_code_taken"

    def __init__(self) -> None:
        super().__init__("Another organisation has this code; choose a code of its own.")


class RootExists(BusinessError):
    code = "root_exists"

    def __init__(self) -> None:
        super().__init__("The tree has its root; name a parent.")


class OrganisationInUse(BusinessError):
    code = "organisation_in_use"

    def __init__(self, what: str) -> None:
        super().__init__(f"The organisation still has {what}; move or end these first.")


class OwnOrganisation(Forbidden):
    code = "own_organisation"

    def __init__(self) -> None:
        super().__init__("An organisation is moved and closed by the one above it; ask them.")


class NotForMembers(BusinessError):
    code = "organisation_takes_no_members"

    def __init__(self) -> None:
        super().__init__("Members belong to primary organisations, structural units and union groups; choose one.")


class TooYoung(BusinessError):
    status = 422
    code = "too_young"

    def __init__(self) -> None:
        super().__init__("Membership is possible from the age of 14; apply again then.")


class ConsentRequired(BusinessError):
    status = 422
    code = "membership_consent_required"

    def __init__(self) -> None:
        super().__init__("Without the consent to the purpose membership the application cannot be kept; give it.")


class ConsentTextUnknown(BusinessError):
    status = 422
    code = "consent_text_unknown"

    def __init__(self) -> None:
        super().__init__("There is no such version of the consent's text; read /v1/public/consent-texts.")


class ConsentGivenAlready(BusinessError):
    code = "consent_already_given"

    def __init__(self) -> None:
        super().__init__("A consent to this purpose is in force; withdraw it before you give a new one.")


class ConsentNotGiven(BusinessError):
    code = "consent_not_given"

    def __init__(self) -> None:
        super().__init__("No consent to this purpose is in force; there is nothing to withdraw.")


class ApplicationDecidedAlready(BusinessError):
    code = "application_already_decided"

    def __init__(self) -> None:
        super().__init__("The application was decided before; read it for the decision.")


class AlreadyMember(BusinessError):
    code = "already_member"

    def __init__(self) -> None:
        super().__init__(
            "A person with this name and birth date is a member already: ask their organisation for a transfer, "
            "or confirm with namesake_confirmed that this is another person."
        )


class MembershipEnded(BusinessError):
    code = "membership_ended"

    def __init__(self) -> None:
        super().__init__("The membership has ended; the person joins again with an application.")


class MembershipInForce(BusinessError):
    code = "membership_in_force"

    def __init__(self) -> None:
        super().__init__("The membership has not ended; there is nothing to reinstate.")


class BackdatedTooFar(BusinessError):
    status = 422
    code = "backdated_too_far"

    def __init__(self, days: int) -> None:
        super().__init__(f"A change is recorded within {days} days; ask your region to record an older one.")


class ReasonRequired(BusinessError):
    status = 422
    code = "reason_required"

    def __init__(self) -> None:
        super().__init__("A correction of name, birth date or sex needs its reason; give it.")


class PurposeRequired(BusinessError):
    status = 422
    code = "purpose_required"

    def __init__(self) -> None:
        super().__init__("Say in the header X-Purpose why you read personal data; the words are in /docs.")


class ContactsOnly(Forbidden):
    code = "contacts_only"

    def __init__(self) -> None:
        super().__init__("Members change their phone and e-mail themselves; for the rest ask your organisation.")


class ConsentOnPaperOnly(BusinessError):
    status = 422
    code = "consent_on_paper_only"

    def __init__(self) -> None:
        super().__init__("Only the member can consent online; record a signed paper with the channel paper.")


class TransferOpen(BusinessError):
    code = "transfer_open"

    def __init__(self) -> None:
        super().__init__("A transfer of this member waits for its decision; wait for it, or cancel it first.")


class TransferDecided(BusinessError):
    code = "transfer_already_decided"

    def __init__(self) -> None:
        super().__init__("The transfer was decided before; release the member again if needed.")


class TransferEscalated(BusinessError):
    code = "transfer_escalated"

    def __init__(self) -> None:
        super().__init__("The deadline has passed: the organisation above both ends decides, or gives more time.")


class TransferNotEscalated(BusinessError):
    code = "transfer_not_escalated"

    def __init__(self) -> None:
        super().__init__("The receiving organisation still has time; only a transfer past its deadline gets more.")


class TransferToSame(BusinessError):
    code = "transfer_to_same"

    def __init__(self) -> None:
        super().__init__("The member is in this organisation already; name another one.")


class RegistryChanged(BusinessError):
    code = "registry_changed"

    def __init__(self, file: str) -> None:
        super().__init__(
            f"While {file} was read, one of its people was admitted or one of its organisations closed; "
            "import again: files that are done are left out."
        )


class ImportNotCommitted(BusinessError):
    code = "import_not_committed"

    def __init__(self) -> None:
        super().__init__("Nothing of this import is in the base; there is nothing to roll back.")


class ImportNotChecked(BusinessError):
    code = "import_not_checked"

    def __init__(self) -> None:
        super().__init__("The import is not checked, or is under way or in the base already; look at its state.")


class ImportFilesGone(BusinessError):
    status = 410
    code = "import_files_gone"

    def __init__(self) -> None:
        super().__init__("The files of this import are no longer kept; upload them anew.")


class UploadTooLarge(BusinessError):
    status = 413
    code = "upload_too_large"

    def __init__(self, files: int, mebibytes: int) -> None:
        super().__init__(f"Send at most {files} files of {mebibytes} MiB in all; split the upload.")


class MappingRefused(BusinessError):
    status = 422
    code = "mapping_invalid"
