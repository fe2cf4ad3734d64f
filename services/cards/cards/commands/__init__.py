"""What changes cards and batches: one function a command, session first; the edge commits."""

from cards.commands.batches import mark_dispatched, mark_handed_over, mark_produced, order_batch
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
    "block_card",
    "certify_keys",
    "end_cards",
    "expire_cards",
    "forget_devices",
    "forget_used_proofs",
    "issue_virtual_cards",
    "mark_dispatched",
    "mark_handed_over",
    "mark_produced",
    "order_batch",
    "register_device",
    "replace_card",
    "reprint_card",
    "resume_card",
    "revoke_device",
    "revoke_key",
    "rotate_keys",
    "suspend_card",
    "verify_online",
]
