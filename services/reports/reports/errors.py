"""Refusals of the reports service."""

from datetime import date
from uuid import UUID

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


class StepRefused(BusinessError):
    code = "report_step_refused"

    def __init__(self, step: str, status: str, needed: tuple[str, ...]) -> None:
        super().__init__(
            f"To be {step} a report must be {' or '.join(needed)}, and this one is {status}; read it again."
        )


class NotTheChair(BusinessError):
    status = 403
    code = "not_the_chair"

    def __init__(self, organisation_id: UUID) -> None:
        super().__init__(f"Only the organisation {organisation_id} itself signs its report; ask its chair.")


class NotAbove(BusinessError):
    status = 403
    code = "not_above"

    def __init__(self) -> None:
        super().__init__("This is for an organisation above the one that reports; ask your regional organisation.")


class BelowNotAccepted(BusinessError):
    code = "below_not_accepted"

    def __init__(self, count: int, organisation_id: UUID) -> None:
        super().__init__(
            f"{count} reports directly below are not accepted; see GET /v1/organisations/{organisation_id}/blockers.",
            blockers=count,
        )


class AboveFiled(BusinessError):
    code = "above_filed"

    def __init__(self, report_id: UUID) -> None:
        super().__init__(
            f"The report above, {report_id}, rests on this one and is filed; have it returned or reopened first.",
            report_id=str(report_id),
        )


class ChecksFail(BusinessError):
    code = "checks_fail"

    def __init__(self, checks: list[str]) -> None:
        super().__init__(
            f"The figures contradict each other: {', '.join(checks)}; correct the records or what you declared.",
            checks=checks,
        )


class NotAsked(BusinessError):
    status = 422
    code = "not_asked"

    def __init__(self, indicator: str, asked: list[str]) -> None:
        super().__init__(f"This report does not ask for {indicator}; it asks for {', '.join(asked) or 'nothing'}.")


class NotOpenable(BusinessError):
    status = 422
    code = "no_ids_behind"

    def __init__(self, indicator: str) -> None:
        super().__init__(f"{indicator} is reckoned from others; open those that its formula names.")


class OneOfTwo(BusinessError):
    status = 422
    code = "moments_not_in_order"

    def __init__(self) -> None:
        super().__init__("`from` must not be after `to`, nor what was known then after what is known now.")
