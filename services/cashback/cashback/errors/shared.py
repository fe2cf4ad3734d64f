"""Dates and the ledger: refusals that several commands share."""

from datetime import date

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


class AlreadyPosted(BusinessError):
    code = "already_posted"

    def __init__(self) -> None:
        super().__init__("This movement is in the ledger already; read the resource again.")
