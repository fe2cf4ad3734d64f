"""Refusals of the reports service."""

from datetime import date

from common.errors import BusinessError


class FormUnknown(BusinessError):
    status = 422
    code = "form_unknown"

    def __init__(self, form: str, known: list[str]) -> None:
        super().__init__(f"There is no form {form}; take one of {', '.join(known)}.")


class NotADayOfTheForm(BusinessError):
    status = 422
    code = "not_a_day_of_the_form"

    def __init__(self, as_of: date, forms: list[str]) -> None:
        super().__init__(
            f"No form of {', '.join(forms)} is made as of {as_of}; see as_of of GET /v1/forms, "
            "or ask GET /v1/statistics, which answers for any day."
        )
