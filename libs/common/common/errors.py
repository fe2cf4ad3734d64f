"""Refusals: a class carries its status, a stable code and a sentence that says what to do."""

from typing import Any, ClassVar


class BusinessError(Exception):
    """A request or an event that a rule refuses.

    Subclasses set `code` (snake_case, never changed once published) and `status`; the message is one
    sentence for the caller. It must carry no personal data: it is logged and sent back.
    """

    status: ClassVar[int] = 409
    code: ClassVar[str] = "refused"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class NotFound(BusinessError):
    status = 404
    code = "not_found"

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"No {what} with the id {key} is within your reach; check the id and your scope.")


class Unauthenticated(BusinessError):
    status = 401
    code = "token_required"

    def __init__(self, detail: str = "Send a bearer token of a trusted issuer.") -> None:
        super().__init__(detail)


class Forbidden(BusinessError):
    status = 403
    code = "forbidden"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)


class SecondPersonNeeded(BusinessError):
    status = 403
    code = "second_person_needed"

    def __init__(self) -> None:
        super().__init__("Somebody else must approve what you asked for: four eyes, two people.")


class TooManyRequests(BusinessError):
    status = 429
    code = "too_many_requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"You have asked too often; try again in {retry_after} s.", retry_after=retry_after)


class CursorInvalid(BusinessError):
    status = 422
    code = "cursor_invalid"

    def __init__(self) -> None:
        super().__init__("The cursor is not one that this list gave out; start again without a cursor.")


class PreconditionRequired(BusinessError):
    status = 428
    code = "if_match_required"

    def __init__(self) -> None:
        super().__init__("Send If-Match with the ETag of the resource that you read, so no change is lost.")


class VersionConflict(BusinessError):
    status = 412
    code = "version_conflict"

    def __init__(self, current: int) -> None:
        super().__init__(
            f"The resource has changed since you read it (it is at version {current}); read it again.",
            current_version=current,
        )


class IdempotencyKeyRequired(BusinessError):
    status = 400
    code = "idempotency_key_required"

    def __init__(self) -> None:
        super().__init__("Send an Idempotency-Key header (a UUID of your own) with every POST.")


class IdempotencyKeyInvalid(BusinessError):
    status = 400
    code = "idempotency_key_invalid"

    def __init__(self) -> None:
        super().__init__("The Idempotency-Key must be 8 to 128 visible ASCII characters; a UUID is best.")


class IdempotencyConflict(BusinessError):
    status = 409
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with another request; send a new key.")


class NamesUnavailable(BusinessError):
    status = 503
    code = "names_unavailable"

    def __init__(self, detail: str = "The registry does not answer; try again in a while.") -> None:
        super().__init__(detail)


class NamesWithheld(BusinessError):
    status = 403
    code = "names_withheld"

    def __init__(self) -> None:
        super().__init__(
            "The registry does not tell you the names of all these members; somebody who may read them must do it."
        )
