"""The service's tables. Amounts are kopecks; a partner is named by its code."""

from cashback.models.base import Table
from cashback.models.campaigns import Campaign, CampaignTerms, CapUse, Partner
from cashback.models.fraud import FraudHit, FraudLimit, PartnerRelation, ReviewDecision
from cashback.models.ledger import Account, ChainLink, Checkpoint, JournalEntry, Posting
from cashback.models.members import Card, Member, Organisation, Participant, Participation
from cashback.models.payouts import BankAnswer, BankFile, Payout
from cashback.models.purchases import Click, PartnerReport, Purchase, PurchaseFile, Refund, RefusedReport
from cashback.models.reconciliations import Reconciliation, ReconciliationItem
from cashback.models.webhooks import Webhook, WebhookAttempt, WebhookDelivery

__all__ = [
    "Account",
    "BankAnswer",
    "BankFile",
    "Campaign",
    "CampaignTerms",
    "CapUse",
    "Card",
    "ChainLink",
    "Checkpoint",
    "Click",
    "FraudHit",
    "FraudLimit",
    "JournalEntry",
    "Member",
    "Organisation",
    "Participant",
    "Participation",
    "Partner",
    "PartnerRelation",
    "PartnerReport",
    "Payout",
    "Posting",
    "Purchase",
    "PurchaseFile",
    "Reconciliation",
    "ReconciliationItem",
    "Refund",
    "RefusedReport",
    "ReviewDecision",
    "Table",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
]
