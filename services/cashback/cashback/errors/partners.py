"""Partners: their campaigns, limits, webhooks and books."""

from common.errors import BusinessError


class PartnerExists(BusinessError):
    code = "partner_exists"

    def __init__(self, partner: str) -> None:
        super().__init__(f"A partner with the code {partner} exists already; choose another code.")


class NoSandbox(BusinessError):
    status = 403
    code = "not_a_sandbox"

    def __init__(self) -> None:
        super().__init__("Only a partner of the sandbox makes up its buyers; use its token.")


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


class LimitInvalid(BusinessError):
    status = 422
    code = "fraud_limit_invalid"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)


class NotInReview(BusinessError):
    code = "not_in_review"

    def __init__(self) -> None:
        super().__init__("The purchase does not wait for a review; read the queue again.")


class AddressNotAllowed(BusinessError):
    status = 422
    code = "address_not_allowed"

    def __init__(self) -> None:
        super().__init__("Messages go to https:// addresses on the public internet only; give another one.")


class TooManyWebhooks(BusinessError):
    code = "too_many_webhooks"

    def __init__(self, most: int) -> None:
        super().__init__(f"A partner has at most {most} addresses; delete one first.")


class NoSecretYet(BusinessError):
    code = "webhook_without_secret"

    def __init__(self) -> None:
        super().__init__("Get the address a secret first: PUT /v1/webhooks/{webhook_id}/secret.")


class NothingProposed(BusinessError):
    code = "nothing_proposed"

    def __init__(self, state: str) -> None:
        super().__init__(f"No correction of this line waits for an answer (its state is {state}).")


class OutdatedProposal(BusinessError):
    code = "proposal_outdated"

    def __init__(self) -> None:
        super().__init__("The purchase has changed since the comparison; compare the books again.")


class SpanReversed(BusinessError):
    status = 422
    code = "span_reversed"

    def __init__(self) -> None:
        super().__init__("The first day is after the last one; swap them.")
