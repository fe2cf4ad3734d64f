"""What partners tell of purchases, by the API, a topic or a file."""

from datetime import date
from uuid import UUID

from common.errors import BusinessError


class CampaignClosed(BusinessError):
    code = "campaign_not_open"

    def __init__(self, day: date) -> None:
        super().__init__(f"The campaign does not take place on {day}; see GET /v1/campaigns for those that do.")


class ClickTooOld(BusinessError):
    code = "click_not_valid_then"

    def __init__(self, days: int) -> None:
        super().__init__(f"A purchase earns within {days} days after its click, and never before it.")


class BasketTooSmall(BusinessError):
    code = "basket_too_small"

    def __init__(self, minimum: int) -> None:
        super().__init__(f"The campaign starts at a basket of {minimum} kopecks; this purchase earns nothing.")


class BudgetSpent(BusinessError):
    code = "campaign_budget_spent"

    def __init__(self) -> None:
        super().__init__("The campaign's budget does not cover this purchase; nothing was recorded.")


class ReportedOtherwise(BusinessError):
    code = "purchase_reported_otherwise"

    def __init__(self, purchase_id: UUID) -> None:
        super().__init__(
            "This order and line were reported before with other content; correct it by decline or refund.",
            purchase_id=str(purchase_id),
        )


class ReportTakenOtherwise(BusinessError):
    code = "report_taken_otherwise"

    def __init__(self, what: str, purchase_id: UUID) -> None:
        super().__init__(
            f"This line was {what} under the same version with other content; send a correction as a message"
            " of its own (decline, refund, or the next version).",
            purchase_id=str(purchase_id),
        )


class ReportOvertaken(BusinessError):
    code = "report_overtaken"

    def __init__(self) -> None:
        super().__init__(
            "Messages about the same line came at once, too many to take in turn; send this one again."
        )


class PurchaseUnknown(BusinessError):
    status = 404
    code = "purchase_unknown"

    def __init__(self, order: str, line: int) -> None:
        super().__init__(f"Line {line} of this order is not reported yet; report it first, then send this again.")


class ReportIncomplete(BusinessError):
    status = 422
    code = "report_incomplete"

    def __init__(self, what: str, missing: str) -> None:
        super().__init__(f"A line that is {what} needs {missing}; complete the message and send it again.")


class NotPending(BusinessError):
    code = "purchase_not_pending"

    def __init__(self, status: str) -> None:
        super().__init__(f"The purchase is {status}; only a pending one can be confirmed or declined, once.")


class HeldForReview(BusinessError):
    code = "held_for_review"

    def __init__(self) -> None:
        super().__init__(
            "The purchase is being looked at by the union; confirm it again when it is no longer held, or decline it."
        )


class HoldNotOver(BusinessError):
    code = "hold_not_over"

    def __init__(self, hold_until: date) -> None:
        super().__init__(f"The time for returns runs until {hold_until}; confirm on that day or later.")


class NotConfirmed(BusinessError):
    code = "purchase_not_confirmed"

    def __init__(self, status: str) -> None:
        super().__init__(
            f"The purchase is {status}; a refund is for a confirmed one. Decline a pending one, or confirm a part."
        )


class AmountTooLarge(BusinessError):
    code = "amount_exceeds_purchase"

    def __init__(self, left: int) -> None:
        super().__init__(f"Only {left} kopecks of the purchase are left; send at most that.", left=left)


class FileKeyMissing(BusinessError):
    code = "file_key_missing"

    def __init__(self) -> None:
        super().__init__(
            "No key for the partner's files is known; have it set by POST /v1/partners/{partner}/file-key."
        )


class FileSignatureWrong(BusinessError):
    status = 422
    code = "file_signature_wrong"

    def __init__(self) -> None:
        super().__init__(
            "Union-Signature is not the base64 of the partner's Ed25519 signature over the file's SHA-256;"
            " sign it again."
        )


class FileTakenOtherwise(BusinessError):
    code = "file_taken_otherwise"

    def __init__(self, day: date, part: int) -> None:
        super().__init__(f"Part {part} of {day} was taken with other content; send the rest as the next part.")


class FileUnreadable(BusinessError):
    status = 422
    code = "file_unreadable"

    def __init__(self, line: int, why: str) -> None:
        super().__init__(
            f"Line {line} of the file: {why}; nothing was taken, correct it and send it again.", line=line
        )
