"""Refusals about people: joining, membership, consents, transfers."""

from common.errors import BusinessError, Forbidden


class DateOutOfRange(BusinessError):
    status = 422
    code = "date_out_of_range"

    def __init__(self, field: str) -> None:
        super().__init__(
            f"The date {field} lies in the future or before what it follows; correct it.", field=field
        )


class TooYoung(BusinessError):
    status = 422
    code = "too_young"

    def __init__(self) -> None:
        super().__init__("Membership is possible from the age of 14; apply again then.")


class ConsentRequired(BusinessError):
    status = 422
    code = "membership_consent_required"

    def __init__(self) -> None:
        super().__init__("Without the consent to the purpose membership the application cannot be kept; give it.")


class ConsentTextUnknown(BusinessError):
    status = 422
    code = "consent_text_unknown"

    def __init__(self) -> None:
        super().__init__("There is no such version of the consent's text; read /v1/public/consent-texts.")


class ConsentGivenAlready(BusinessError):
    code = "consent_already_given"

    def __init__(self) -> None:
        super().__init__("A consent to this purpose is in force; withdraw it before you give a new one.")


class ConsentNotGiven(BusinessError):
    code = "consent_not_given"

    def __init__(self) -> None:
        super().__init__("No consent to this purpose is in force; there is nothing to withdraw.")


class ApplicationDecidedAlready(BusinessError):
    code = "application_already_decided"

    def __init__(self) -> None:
        super().__init__("The application was decided before; read it for the decision.")


class AlreadyMember(BusinessError):
    code = "already_member"

    def __init__(self) -> None:
        super().__init__(
            "A person with this name and birth date is a member already: ask their organisation for a transfer, "
            "or confirm with namesake_confirmed that this is another person."
        )


class MembershipEnded(BusinessError):
    code = "membership_ended"

    def __init__(self) -> None:
        super().__init__("The membership has ended; the person joins again with an application.")


class MembershipInForce(BusinessError):
    code = "membership_in_force"

    def __init__(self) -> None:
        super().__init__("The membership has not ended; there is nothing to reinstate.")


class BackdatedTooFar(BusinessError):
    status = 422
    code = "backdated_too_far"

    def __init__(self, days: int) -> None:
        super().__init__(f"A change is recorded within {days} days; ask your region to record an older one.")


class ReasonRequired(BusinessError):
    status = 422
    code = "reason_required"

    def __init__(self) -> None:
        super().__init__("A correction of name, birth date or sex needs its reason; give it.")


class PurposeRequired(BusinessError):
    status = 422
    code = "purpose_required"

    def __init__(self) -> None:
        super().__init__("Say in the header X-Purpose why you read personal data; the words are in /docs.")


class ContactsOnly(Forbidden):
    code = "contacts_only"

    def __init__(self) -> None:
        super().__init__("Members change their phone and e-mail themselves; for the rest ask your organisation.")


class ConsentOnPaperOnly(BusinessError):
    status = 422
    code = "consent_on_paper_only"

    def __init__(self) -> None:
        super().__init__("Only the member can consent online; record a signed paper with the channel paper.")


class TransferOpen(BusinessError):
    code = "transfer_open"

    def __init__(self) -> None:
        super().__init__("A transfer of this member waits for its decision; wait for it, or cancel it first.")


class TransferDecided(BusinessError):
    code = "transfer_already_decided"

    def __init__(self) -> None:
        super().__init__("The transfer was decided before; release the member again if needed.")


class TransferEscalated(BusinessError):
    code = "transfer_escalated"

    def __init__(self) -> None:
        super().__init__("The deadline has passed: the organisation above both ends decides, or gives more time.")


class TransferNotEscalated(BusinessError):
    code = "transfer_not_escalated"

    def __init__(self) -> None:
        super().__init__("The receiving organisation still has time; only a transfer past its deadline gets more.")


class TransferToSame(BusinessError):
    code = "transfer_to_same"

    def __init__(self) -> None:
        super().__init__("The member is in this organisation already; name another one.")
