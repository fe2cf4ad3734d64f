"""Refusals about doubles, four eyes, erasure and the access log."""

from common.errors import BusinessError, Forbidden


class ApprovalDecided(BusinessError):
    code = "approval_decided"

    def __init__(self, status: str) -> None:
        super().__init__(f"The request was {status} before; make a new one if it is still needed.")


class ApprovalExpired(BusinessError):
    code = "approval_expired"

    def __init__(self) -> None:
        super().__init__("The request waited too long; make a new one if it is still needed.")


class ChangedSinceRequested(BusinessError):
    code = "changed_since_requested"

    def __init__(self) -> None:
        super().__init__("A record has changed since this was asked for; refuse it, look again and ask anew.")


class MergeWithItself(BusinessError):
    status = 422
    code = "merge_with_itself"

    def __init__(self) -> None:
        super().__init__("Both records are the same, or of one person already; name two different ones.")


class RecordNotMergeable(BusinessError):
    code = "record_not_mergeable"

    def __init__(self) -> None:
        super().__init__("One of the records was merged or erased before; read both again.")


class SurvivorEnded(BusinessError):
    code = "survivor_ended"

    def __init__(self) -> None:
        super().__init__("The record that would go on has ended before the other one; let that one go on.")


class FirstEndTransfer(BusinessError):
    code = "transfer_open"

    def __init__(self) -> None:
        super().__init__("One of the records is on its way to another organisation; decide the transfer first.")


class MergeUndone(BusinessError):
    code = "merge_undone"

    def __init__(self) -> None:
        super().__init__("The merge was undone before; the two records stand again.")


class MergeUndoTooLate(BusinessError):
    code = "merge_undo_too_late"

    def __init__(self) -> None:
        super().__init__("The time for undoing this merge is over, or a record of it was erased.")


class SurvivorMovedOn(BusinessError):
    code = "survivor_moved_on"

    def __init__(self) -> None:
        super().__init__(
            "The remaining record was merged, transferred or ended after the merge; undo that first, the last step"
            " first."
        )


class DuplicateDecided(BusinessError):
    code = "duplicate_decided"

    def __init__(self, status: str) -> None:
        super().__init__(f"This pair is {status.replace('_', ' ')} already; read it again.")


class OtherRecordOutOfReach(Forbidden):
    code = "other_record_out_of_reach"

    def __init__(self) -> None:
        super().__init__(
            "One of the two records is not within your reach; hand the pair over to those above both."
        )


class ErasureKeyMissing(BusinessError):
    status = 503
    code = "erasure_key_missing"

    def __init__(self) -> None:
        super().__init__("The operator must set UNION_ERASURE_KEY_FILE to a file of 32 random bytes first.")


class ErasedAlready(BusinessError):
    code = "erased_already"

    def __init__(self) -> None:
        super().__init__("The person of this record was erased before; see the acts under /v1/erasures.")


class AlarmClosed(BusinessError):
    code = "alarm_closed"

    def __init__(self) -> None:
        super().__init__("The alarm was closed before; read its conclusion.")


class JournalUnsound(BusinessError):
    status = 422
    code = "journal_unsound"

    def __init__(self, line: int) -> None:
        super().__init__(
            f"Line {line} of the journal was not written with this erasure key, or was changed; nothing was done."
        )
