"""Is this person already a member? An index of people that answers without comparing each with each."""

from dataclasses import dataclass
from datetime import date
from sys import intern
from typing import Generic, TypeVar

from registry.importing.given_names import GIVEN_NAMES
from registry.importing.names import PersonName
from registry.importing.outcomes import DuplicateReason
from registry.importing.texts import clean, fold, neighbours_swapped, one_edit_apart, repair_lookalikes

Source = TypeVar("Source")


class Entry(Generic[Source]):
    """A person as the index compares them. `source` is the caller's own reference to where they stand."""

    __slots__ = (
        "birth",
        "card",
        "contacts",
        "first",
        "last",
        "organisation_id",
        "patronymic",
        "source",
        "written",
    )

    def __init__(
        self,
        source: Source,
        name: PersonName,
        birth: date,
        organisation_id: str,
        card_number: str | None = None,
        contacts: tuple[str | None, ...] = (),
    ) -> None:
        self.source = source
        self.written = name.written
        # given names and patronymics are few: shared strings save a fifth of a large index's memory
        self.last, self.first, self.patronymic = (
            fold(name.last),
            intern(fold(name.first)),
            intern(fold(name.patronymic)),
        )
        self.birth = birth
        self.organisation_id = organisation_id
        self.card = _card_key(card_number)
        self.contacts = tuple([contact for contact in contacts if contact])


@dataclass(frozen=True, slots=True)
class Match(Generic[Source]):
    """The person found, and by what the two spellings differ (or that the membership is elsewhere)."""

    entry: Entry[Source]
    reason: DuplicateReason


# Real registers hold a handful of people of one birth date and two equal parts of the name; a broken one that
# holds thousands must not take the engine hostage.
_MOST_COMPARED = 300

# Nearly all buckets hold one entry: a tuple of one takes half the memory of a list.
_Buckets = dict[int, tuple[Entry[Source], ...]]


def _put(buckets: _Buckets[Source], key: int, entry: Entry[Source]) -> None:
    buckets[key] = (*buckets.get(key, ()), entry)


class PeopleIndex(Generic[Source]):
    """Members by birth date and name, and by card number.

    Two people are one when the birth date and all the name's letters are the same (ё = е, look-alike letters,
    case and the order of the parts aside), or when one misprint is between them and nothing speaks
    against it: twins share surname, patronymic and birth date, namesakes share the whole name, and
    neither are duplicates. A question looks only at people of the same birth date who share two of the
    three parts of the name, or who hold the same card: its time does not grow with the base.
    """

    def __init__(self) -> None:
        self._exact: _Buckets[Source] = {}
        self._partial: _Buckets[Source] = {}
        self._cards: _Buckets[Source] = {}

    def add(self, entry: Entry[Source]) -> None:
        _put(self._exact, _exact_key(entry), entry)
        for key in _partial_keys(entry):
            _put(self._partial, key, entry)
        if entry.card:
            _put(self._cards, hash((entry.card, entry.first)), entry)

    def find(self, entry: Entry[Source]) -> Match[Source] | None:
        """The member that `entry` repeats: in the same organisation before others, the earlier before
        the later."""
        found: Entry[Source] | None = None
        exact = [other for other in self._exact.get(_exact_key(entry), ()) if _same_letters(entry, other)]
        for other in exact:
            if other.organisation_id == entry.organisation_id:
                return Match(other, _spelling(entry, other))
            found = found or other
        if found:
            return Match(found, "member_elsewhere")
        elsewhere: Entry[Source] | None = None
        for other in self._near(entry):
            if other.organisation_id == entry.organisation_id:
                if _one_person(entry, other):
                    return Match(other, "same_register_typo")
            elif elsewhere is None and _corroborated(entry, other) and _one_person(entry, other):
                elsewhere = other
        return Match(elsewhere, "member_elsewhere") if elsewhere else None

    def _near(self, entry: Entry[Source]) -> list[Entry[Source]]:
        seen: dict[int, Entry[Source]] = {}
        for key in _partial_keys(entry):
            for other in self._partial.get(key, ())[-_MOST_COMPARED:]:
                seen.setdefault(id(other), other)
        if entry.card:
            for other in self._cards.get(hash((entry.card, entry.first)), ()):
                seen.setdefault(id(other), other)
        return list(seen.values())


def _card_key(number: str | None) -> str:
    """The figures that tell cards apart; '' when there are too few to tell anything («б/н», «1»)."""
    digits = "".join(ch for ch in number or "" if ch.isdigit()).lstrip("0")
    return digits if len(digits) >= 4 else ""


def _exact_key(entry: Entry[Source]) -> int:
    return hash((entry.birth, *sorted((entry.last, entry.first, entry.patronymic))))


def _partial_keys(entry: Entry[Source]) -> tuple[int, ...]:
    """Any two of the three parts; a swap of surname and given name keeps one of the pairs' keys."""
    ordinal, last, first, middle = entry.birth.toordinal(), entry.last, entry.first, entry.patronymic
    one, two = (last, first) if last <= first else (first, last)
    return hash((ordinal, 1, last, middle)), hash((ordinal, 1, first, middle)), hash((ordinal, 2, one, two))


def _same_letters(left: Entry[Source], right: Entry[Source]) -> bool:
    return left.birth == right.birth and sorted((left.last, left.first, left.patronymic)) == sorted(
        (right.last, right.first, right.patronymic)
    )


def _spelling(new: Entry[Source], old: Entry[Source]) -> DuplicateReason:
    """The least difference of spelling that makes the two written names one."""
    left, right = new.written, old.written
    if left == right:
        return "same_register_exact"
    left, right = clean(left).lower(), clean(right).lower()
    if left == right:
        return "same_register_case"
    if left.replace("ё", "е") == right.replace("ё", "е"):
        return "same_register_yo"
    left, right = repair_lookalikes(left), repair_lookalikes(right)
    if left.replace("ё", "е") == right.replace("ё", "е"):
        return "same_register_lookalike"
    return "same_register_swapped"


def _corroborated(left: Entry[Source], right: Entry[Source]) -> bool:
    """In another organisation one misprint is not enough: a card number or a contact must be the same as
    well."""
    return bool(left.card and left.card == right.card) or any(
        contact in right.contacts for contact in left.contacts
    )


def _one_person(left: Entry[Source], right: Entry[Source]) -> bool:
    same_card = bool(left.card) and left.card == right.card
    if left.birth != right.birth:
        # a namesake has another card: only the card makes two birth dates a misprint of one
        return same_card and (left.last, left.first, left.patronymic) == (
            right.last,
            right.first,
            right.patronymic,
        )
    ours, theirs = (left.last, left.first, left.patronymic), (right.last, right.first, right.patronymic)
    if sum(a == b for a, b in zip(ours, theirs, strict=True)) < 2:
        theirs = (right.first, right.last, right.patronymic)
        if sum(a == b for a, b in zip(ours, theirs, strict=True)) < 2:
            return False
    at = next(i for i in range(3) if ours[i] != theirs[i])
    mine, other = ours[at], theirs[at]
    if at == 2:
        return not mine or not other or one_edit_apart(mine, other) or same_card
    if at == 0:
        # a surname changed by marriage keeps the card
        return one_edit_apart(mine, other) or same_card
    return _misprinted_given_name(mine, other, same_card)


def _misprinted_given_name(left: str, right: str, same_card: bool) -> bool:
    """Twins are told from a misprint: Алена and Елена are two names, «Алнеа» is none."""
    if same_card:
        return one_edit_apart(left, right) or left[:3] == right[:3]
    if neighbours_swapped(left, right):
        return True
    known = (left in GIVEN_NAMES) + (right in GIVEN_NAMES)
    return known == 1 and min(len(left), len(right)) > 3 and one_edit_apart(left, right)
