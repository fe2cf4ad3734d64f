"""The service's tables. Amounts are kopecks; a partner is named by its code."""

from cashback.models.base import Table
from cashback.models.campaigns import Campaign, CampaignTerms, CapUse, Partner
from cashback.models.ledger import Account, ChainLink, Checkpoint, JournalEntry, Posting
from cashback.models.members import Card, Member, Organisation, Participant, Participation
from cashback.models.payouts import Payout
from cashback.models.purchases import Click, PartnerReport, Purchase, PurchaseFile, Refund, RefusedReport

__all__ = [
    "Account",
    "Campaign",
    "CampaignTerms",
    "CapUse",
    "Card",
    "ChainLink",
    "Checkpoint",
    "Click",
    "JournalEntry",
    "Member",
    "Organisation",
    "Participant",
    "Participation",
    "Partner",
    "PartnerReport",
    "Payout",
    "Posting",
    "Purchase",
    "PurchaseFile",
    "Refund",
    "RefusedReport",
    "Table",
]
