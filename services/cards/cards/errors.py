"""Refusals of the cards service."""

from collections.abc import Sequence
from uuid import UUID

from common.errors import BusinessError


class StepNotAllowed(BusinessError):
    code = "card_step_not_allowed"

    def __init__(self, status: str, wanted: str) -> None:
        super().__init__(
            f"The card is {status} and cannot become {wanted}: a card that has ended never comes alive; replace it."
        )


class CardNotLive(BusinessError):
    code = "card_not_live"

    def __init__(self, status: str) -> None:
        super().__init__(f"The card is {status} and has no QR code any more; use the member's live card.")


class PlasticNotReplaceable(BusinessError):
    code = "plastic_not_replaceable"

    def __init__(self) -> None:
        super().__init__("A plastic card is replaced by ordering a new one in a plastic batch.")


class MemberNotEntitled(BusinessError):
    code = "member_not_entitled"

    def __init__(self) -> None:
        super().__init__("Only a member with a consent to cards has a card; record the consent first.")


class CardExists(BusinessError):
    code = "card_exists"

    def __init__(self) -> None:
        super().__init__("The member has another live card of this form already; use that one.")


class MembersNotEligible(BusinessError):
    code = "members_not_eligible"

    def __init__(self, member_ids: Sequence[UUID]) -> None:
        super().__init__(
            "Some of these are not members of this organisation with a consent to cards and without a live "
            "plastic card; leave out the ones named in member_ids.",
            member_ids=[str(member_id) for member_id in member_ids[:100]],
        )


class NothingToOrder(BusinessError):
    code = "nothing_to_order"

    def __init__(self) -> None:
        super().__init__(
            "Every member here with a consent to cards has a plastic card; there is nothing to order."
        )


class BatchTooLarge(BusinessError):
    code = "batch_too_large"

    def __init__(self, largest: int) -> None:
        super().__init__(f"A batch has at most {largest} cards; order for the organisations below one by one.")


class BatchStepNotAllowed(BusinessError):
    code = "batch_step_not_allowed"

    def __init__(self, status: str, wanted: str) -> None:
        super().__init__(
            f"The batch is {status} and cannot become {wanted}; a batch is ordered, approved, sent, produced, "
            "dispatched, delivered and handed over, in this order."
        )


class CardsNotInBatch(BusinessError):
    code = "cards_not_in_batch"

    def __init__(self, card_ids: Sequence[UUID]) -> None:
        super().__init__(
            "Some of these cards are not of this batch, or not at this point of it; leave out those named in card_ids.",
            card_ids=[str(card_id) for card_id in card_ids[:100]],
        )


class FactoryFileInvalid(BusinessError):
    status = 422
    code = "factory_file_invalid"

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"Line {line} of the factory's file: {what} Nothing of the file was taken in.", line=line)


class ResponseOutOfTurn(BusinessError):
    code = "factory_response_out_of_turn"

    def __init__(self, expected: int) -> None:
        super().__init__(
            f"The next answer of the factory to this batch is number {expected}; send the missing one first, and "
            "correct a wrong one by a new one."
        )


class FactoryKeyMissing(BusinessError):
    code = "factory_key_missing"

    def __init__(self) -> None:
        super().__init__(
            "No certificate of the factory can be read; set UNION_CARD_FACTORY_CERTIFICATE_FILE to one (RSA)."
        )
