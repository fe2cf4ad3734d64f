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


class VirtualNotReprintable(BusinessError):
    code = "virtual_not_reprintable"

    def __init__(self) -> None:
        super().__init__("Only a plastic card is printed again; replace a virtual one.")


class SuspendedByTheUnion(BusinessError):
    status = 403
    code = "suspended_by_the_union"

    def __init__(self) -> None:
        super().__init__("The union suspended this card; ask your organisation's staff to look into it.")


class ReasonNotYours(BusinessError):
    status = 403
    code = "reason_not_yours"

    def __init__(self) -> None:
        super().__init__("Only staff may give this reason; a holder's card is lost, stolen or mislaid.")


class PlasticHasNoDevice(BusinessError):
    code = "plastic_has_no_device"

    def __init__(self) -> None:
        super().__init__("Only a virtual card is bound to devices.")


class DeviceKeyInvalid(BusinessError):
    status = 422
    code = "device_key_invalid"

    def __init__(self) -> None:
        super().__init__("The device's key is not a point of the curve P-256; send the key pair's public JWK.")


class DevicesFull(BusinessError):
    code = "devices_full"

    def __init__(self, most: int) -> None:
        super().__init__(f"The card is on {most} devices already; revoke one of them first.")


class DeviceRevoked(BusinessError):
    code = "device_revoked"

    def __init__(self) -> None:
        super().__init__("This device was revoked and shows the card no more; register it anew.")


class SigningKeyMissing(BusinessError):
    status = 503
    code = "signing_key_missing"

    def __init__(self, kid: str) -> None:
        super().__init__(f"This process has no file with the current signing key ({kid}); give it that file.")


class SigningKeyNotChosen(BusinessError):
    status = 503
    code = "signing_key_not_chosen"

    def __init__(self) -> None:
        super().__init__(
            "There are several key files and the database knows none of them; start once with the one that shall sign."
        )


class KeyStepNotAllowed(BusinessError):
    code = "key_step_not_allowed"


class BundleNotCertified(BusinessError):
    status = 503
    code = "bundle_not_certified"

    def __init__(self) -> None:
        super().__init__(
            "The root key has not signed the present keys; an operator runs `union card keys certify`."
        )


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
