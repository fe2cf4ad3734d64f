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
from cards.commands.cards import (
    block_card,
    end_cards,
    expire_cards,
    forget_devices,
    issue_virtual_cards,
    replace_card,
    reprint_card,
    resume_card,
    suspend_card,
)
from cards.commands.devices import register_device, revoke_device
from cards.commands.making import CardTerms, Cause
from cards.commands.signing_keys import add_key, certify_keys, revoke_key, rotate_keys
from cards.commands.verification import forget_used_proofs, verify_online

__all__ = [
    "CardTerms",
    "Cause",
    "add_key",
    "approve_batch",
    "block_card",
    "cancel_batch",
    "cards_to_personalise",
    "certify_keys",
    "end_cards",
    "expire_cards",
    "forget_devices",
    "forget_used_proofs",
    "hand_over",
    "issue_virtual_cards",
    "mark_delivered",
    "next_file_number",
    "order_batch",
    "register_device",
    "replace_card",
    "reprint_card",
    "resume_card",
    "revoke_device",
    "revoke_key",
    "rotate_keys",
    "send_batch",
    "suspend_card",
    "take_response",
    "verify_online",
]
