"""Money on its way to members, and the bank."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from common.errors import BusinessError


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


class PayoutStepNotAllowed(BusinessError):
    code = "payout_step_not_allowed"

    def __init__(self, status: str, wanted: str) -> None:
        super().__init__(
            f"The payout is {status} and cannot become {wanted}: it is requested, approved, sent, and then settled "
            "or failed, once each. Read it again."
        )


class NothingToSend(BusinessError):
    code = "nothing_to_send"

    def __init__(self) -> None:
        super().__init__("No approved payout waits for the bank; approve some first.")


class PhoneMissing(BusinessError):
    code = "payout_phone_missing"

    def __init__(self, payout_ids: Sequence[UUID]) -> None:
        super().__init__(
            "The bank pays by phone number, and the registry has none of some of these members; record it there, or "
            "fail the payouts named in payout_ids.",
            payout_ids=[str(payout_id) for payout_id in payout_ids[:100]],
        )


class AnswerOutOfTurn(BusinessError):
    code = "bank_answer_out_of_turn"

    def __init__(self, expected: int) -> None:
        super().__init__(f"The bank's next answer to this file is number {expected}; send the missing one first.")


class BankKeyMissing(BusinessError):
    code = "bank_key_missing"

    def __init__(self) -> None:
        super().__init__("No certificate of the bank can be read; set UNION_BANK_CERTIFICATE_FILE to one (RSA).")
