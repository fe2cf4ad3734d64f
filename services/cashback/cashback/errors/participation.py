"""Who takes part, and since when."""

from datetime import date

from common.errors import BusinessError


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
