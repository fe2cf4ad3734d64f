"""What changes cards and batches: one function a command, session first; the edge commits."""

from cards.commands.batches import mark_dispatched, mark_handed_over, mark_produced, order_batch
from cards.commands.cards import Cause, block_card, end_cards, expire_cards, issue_virtual_cards, replace_card
from cards.commands.making import CardTerms

__all__ = [
    "CardTerms",
    "Cause",
    "block_card",
    "end_cards",
    "expire_cards",
    "issue_virtual_cards",
    "mark_dispatched",
    "mark_handed_over",
    "mark_produced",
    "order_batch",
    "replace_card",
]
