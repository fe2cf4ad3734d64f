"""What commands that move money share: the accounts of a purchase, netting of what a member owes."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback import rules
from cashback.ledger import Entry, Kind, Ref
from cashback.models import JournalEntry


@dataclass(frozen=True)
class PurchaseAccounts:
    """The accounts that one purchase can move."""

    receivable: Ref
    pending: Ref
    available: Ref
    clawback: Ref
    budget: tuple[Ref, Ref] | None

    @classmethod
    def of(cls, partner: str, member_id: UUID, campaign_id: UUID, has_budget: bool) -> "PurchaseAccounts":
        member, owner = str(member_id), str(campaign_id)
        return cls(
            Ref(Kind.PARTNER_RECEIVABLE, partner),
            Ref(Kind.MEMBER_PENDING, member),
            Ref(Kind.MEMBER_AVAILABLE, member),
            Ref(Kind.MEMBER_CLAWBACK, member),
            (Ref(Kind.CAMPAIGN_BUDGET, owner), Ref(Kind.CAMPAIGN_ALLOCATION, owner)) if has_budget else None,
        )

    def touched_by(self, what: str) -> list[Ref]:
        """Those that a message of this kind may move."""
        touched = [self.receivable, self.pending, *(self.budget or ())]
        return touched if what == "reported" else [*touched, self.available, self.clawback]

    def owed_by_partner(self, amount: int) -> list[tuple[Ref, int]]:
        """The partner owes `amount` more, and the budget has that much less; a negative amount gives both back."""
        movements = [(self.receivable, -amount)]
        if self.budget is not None:
            movements += [(self.budget[0], -amount), (self.budget[1], amount)]
        return movements


def netting(member_id: UUID, reference: str, incoming: int, balances: dict[Ref, int], day: date) -> Entry:
    """What a member owes is paid from what comes in; the entry moves nothing when nothing is owed.

    `balances` are the held ones and contain the member's clawback account.
    """
    available = Ref(Kind.MEMBER_AVAILABLE, str(member_id))
    clawback = Ref(Kind.MEMBER_CLAWBACK, str(member_id))
    netted = min(incoming, -balances[clawback])
    return Entry(
        "netting",
        reference,
        rules.moment(day),
        f"Удержано {rules.roubles(netted)} за возвращённые покупки, кешбэк по которым уже выплачен.",
        [(available, -netted), (clawback, netted)],
    )


async def entry_of(session: AsyncSession, reference: str) -> UUID | None:
    return await session.scalar(
        sa.select(col(JournalEntry.entry_id)).where(col(JournalEntry.reference) == reference)
    )
