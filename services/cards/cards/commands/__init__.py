"""What changes cards and batches: one function a command, session first; the edge commits."""

from cards.commands.batches import (
    approve_batch,
    cancel_batch,
    cards_to_personalise,
    hand_over,
    mark_delivered,
    next_file_number,
    order_batch,
    send_batch,
    take_response,
)
from cards.commands.cards import Cause, block_card, end_cards, expire_cards, issue_virtual_cards, replace_card
from cards.commands.making import CardTerms

__all__ = [
    "CardTerms",
    "Cause",
    "approve_batch",
    "block_card",
    "cancel_batch",
    "cards_to_personalise",
    "end_cards",
    "expire_cards",
    "hand_over",
    "issue_virtual_cards",
    "mark_delivered",
    "next_file_number",
    "order_batch",
    "replace_card",
    "send_batch",
    "take_response",
]
