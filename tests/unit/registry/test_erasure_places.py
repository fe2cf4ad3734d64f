"""An erasure reaches every column that may tell of a person: a new one needs a place, or a word why it is none."""

import re

import sqlalchemy as sa

from registry.commands.erasure_places import PLACES
from registry.models import Table

_OF_A_PERSON = {"member_id", "application_id", "person_id", "survivor_member_id", "absorbed_member_id", "whose"}
_WORDS = {
    "membership": {"end_reason"},
    "member": {"status", "category", "sex"},
    "member_period": {"status", "category"},
    "application": {"status", "category", "consent_text_version"},
    "consent": {"purpose", "text_version", "text_hash", "channel"},
    "transfer": {"status"},
    "duplicate": {"status", "strength", "found_when"},
    "access_log": {"action", "whose_kind", "token_id"},
    "sync_operation": {"kind", "outcome", "code", "state"},
}
"""Texts of a fixed vocabulary, or that a program makes: they tell nothing but what the row's state is."""
_SUBJECTS = {"requested_by", "approved_by", "decided_by", "handed_by", "undone_by", "subject"}
"""Who acted; the erased person only in the log of readers, where it is blanked."""
_BLANKED_APART = {"access_log": {"subject", "purpose"}}
"""By erasure_places._blank_log."""
_GONE = {"person", "duplicate"}
"""Rows that are deleted whole."""


def test_every_text_beside_a_person_is_emptied_or_of_a_fixed_vocabulary() -> None:
    emptied = {place.name: place.sql for place in PLACES}
    forgotten = []
    for table in Table.metadata.sorted_tables:
        if table.name in _GONE or not _OF_A_PERSON & {column.name for column in table.columns}:
            continue
        for column in table.columns:
            if not isinstance(column.type, sa.String | sa.JSON) or column.name in _SUBJECTS:
                continue
            known = _WORDS.get(table.name, set()) | _BLANKED_APART.get(table.name, set())
            if column.name not in known and not re.search(rf"\b{column.name} = ", emptied.get(table.name, "")):
                forgotten.append(f"{table.name}.{column.name}")
    assert forgotten == []


def test_every_table_that_holds_on_to_a_person_lets_go() -> None:
    emptied = {place.name for place in PLACES}
    holders = {
        key.parent.table.name
        for table in Table.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == "person"
    }
    # member: its person is taken away by commands.erasure, with its state
    assert holders - {"member"} <= emptied
