"""The registry's refusals about elected offices."""

from common.errors import BusinessError, Forbidden


class OfficeHeld(BusinessError):
    code = "office_held"

    def __init__(self) -> None:
        super().__init__(
            "On some of these days the office is held already; end that term first or choose other days."
        )


class HolderElsewhere(BusinessError):
    code = "holder_elsewhere"

    def __init__(self) -> None:
        super().__init__("The member belongs to no organisation under this one; elect one of its own members.")


class TermTooLong(BusinessError):
    status = 422
    code = "term_too_long"

    def __init__(self, years: int) -> None:
        super().__init__(
            f"A term lasts {years} years at most, and must end after it begins; give another last day."
        )


class TermOver(BusinessError):
    code = "term_over"

    def __init__(self) -> None:
        super().__init__("This term is over; record a new election.")


class OwnPowers(Forbidden):
    code = "own_powers"

    def __init__(self) -> None:
        super().__init__("Chairs and deputies are recorded by the organisation above theirs; ask them.")
