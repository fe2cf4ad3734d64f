"""Refusals about organisations and the operations on their tree."""

from common.errors import BusinessError, Forbidden


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
