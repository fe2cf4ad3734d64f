"""What this service refuses, and what the caller can do about it."""

from datetime import date
from uuid import UUID

from common.errors import BusinessError


class DateInFuture(BusinessError):
    status = 422
    code = "date_in_future"

    def __init__(self) -> None:
        super().__init__("The date is in the future; send the day on which it happened.")


class DateBeforeCause(BusinessError):
    status = 422
    code = "date_before_cause"

    def __init__(self, earliest: date) -> None:
        super().__init__(f"The date is before what it follows from; the earliest possible day is {earliest}.")


class NotAMember(BusinessError):
    code = "not_a_member"

    def __init__(self) -> None:
        super().__init__("Only a present member can take part; the membership must be in force.")


class ConsentMissing(BusinessError):
    code = "bonus_consent_missing"

    def __init__(self) -> None:
        super().__init__("Give the consent to the bonus programme first, then enrol.")


class CardMissing(BusinessError):
    code = "active_card_missing"

    def __init__(self) -> None:
        super().__init__("An active card is needed; get one or activate it, then enrol.")


class AlreadyEnrolled(BusinessError):
    code = "already_enrolled"

    def __init__(self) -> None:
        super().__init__("The member takes part already; there is nothing to do.")


class NotParticipating(BusinessError):
    code = "not_participating"

    def __init__(self, day: date) -> None:
        super().__init__(f"The member did not take part in the programme on {day}; only participants earn.")


class PartnerExists(BusinessError):
    code = "partner_exists"

    def __init__(self, partner: str) -> None:
        super().__init__(f"A partner with the code {partner} exists already; choose another code.")


class TermsInvalid(BusinessError):
    status = 422
    code = "campaign_terms_invalid"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)


class BudgetBelowReserved(BusinessError):
    code = "budget_below_reserved"

    def __init__(self, reserved: int) -> None:
        super().__init__(
            f"Cashback of {reserved} kopecks is reserved already; set a budget of at least that.",
            reserved=reserved,
        )


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


class NotPending(BusinessError):
    code = "purchase_not_pending"

    def __init__(self, status: str) -> None:
        super().__init__(f"The purchase is {status}; only a pending one can be confirmed or declined, once.")


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


class PayoutTooSmall(BusinessError):
    code = "payout_below_minimum"

    def __init__(self, minimum: int) -> None:
        super().__init__(
            f"A payout starts at {minimum} kopecks; ask again when more is available.", minimum=minimum
        )


class BalanceTooSmall(BusinessError):
    code = "balance_too_small"

    def __init__(self, available: int) -> None:
        super().__init__(f"Only {available} kopecks are available; ask for at most that.", available=available)


class NoLongerPayable(BusinessError):
    code = "no_longer_payable"

    def __init__(self, until: date) -> None:
        super().__init__(f"After the end of participation the balance was payable until {until}.")


class PayoutResolved(BusinessError):
    code = "payout_already_resolved"

    def __init__(self, status: str) -> None:
        super().__init__(f"The payout is {status}; it is settled or fails once. Read it again.")


class AlreadyPosted(BusinessError):
    code = "already_posted"

    def __init__(self) -> None:
        super().__init__("This movement is in the ledger already; read the resource again.")
