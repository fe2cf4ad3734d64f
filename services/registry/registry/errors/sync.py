"""Refusals of the pocket synchronisation."""

from common.errors import BusinessError


class ScopeTooLarge(BusinessError):
    code = "sync_scope_too_large"

    def __init__(self, members: int) -> None:
        super().__init__(
            f"A phone takes organisations with {members} members at most; sign in for one organisation below yours."
        )


class OrganisationNeeded(BusinessError):
    code = "sync_needs_organisation"

    def __init__(self) -> None:
        super().__init__("A phone keeps one organisation and what is below it; sign in for one organisation.")


class OperationIdReused(BusinessError):
    code = "operation_id_reused"

    def __init__(self) -> None:
        super().__init__("Another operation was sent with this id; give each operation an id of its own.")


class ItemDecided(BusinessError):
    code = "sync_item_decided"

    def __init__(self) -> None:
        super().__init__("This was decided before; read it for the decision.")


class ItemChanged(BusinessError):
    code = "sync_item_changed"

    def __init__(self, current: int) -> None:
        super().__init__(
            f"The record has changed since you looked (it is at version {current}); look at both sides again.",
            current_version=current,
        )


class NotConflicting(BusinessError):
    status = 422
    code = "sync_fields_unknown"

    def __init__(self) -> None:
        super().__init__("Only fields that the item names can be taken; read it again.")


class ValuesForgotten(BusinessError):
    code = "sync_values_forgotten"

    def __init__(self) -> None:
        super().__init__("The values that were sent are no longer kept; enter them anew or let the item go.")


class OtherSince(BusinessError):
    """Somebody else has decided otherwise in the meantime: a conflict, not a refusal."""

    code = "changed_since"

    def __init__(self, what: str) -> None:
        super().__init__(f"The {what} was changed since the phone had it; compare both sides and decide.")
