"""Are two records one person? One pure judgement, for entry, application, import and late findings alike.

Keys bring together only those who may be one; the judgement then says what speaks for it and how strongly,
or that they are twins or namesakes. No database, no clock; nothing is remembered.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from registry.evidence import EVIDENCE, Evidence
from registry.importing.given_names import GIVEN_NAMES
from registry.importing.texts import clean, fold, neighbours_swapped, one_edit_apart, repair_lookalikes

Kind = Literal["strong", "likely", "weak", "twins", "namesakes", "different"]
"""The first three are proposals to people; `twins` share surname, patronymic and birth date, `namesakes` the name."""

# Two spellings of one given name, of which each stands in real documents. Diminutives are not among them.
_VARIANTS = {
    "наталия": "наталья",
    "софья": "софия",
    "данил": "даниил",
    "данила": "даниил",
    "гавриил": "гаврил",
    "таисья": "таисия",
    "марья": "мария",
    "ефимия": "евфимия",
    "артемий": "артем",
    "татиана": "татьяна",
}


class Identity:
    """A person as records are compared: the parts folded (ё as е, look-alikes, case), letters only."""

    __slots__ = (
        "birth",
        "card",
        "email",
        "first",
        "last",
        "patronymic",
        "phone",
        "sex",
        "written",
    )

    def __init__(
        self,
        last: str,
        first: str,
        patronymic: str | None,
        birth: date,
        *,
        sex: str | None = None,
        phone: str | None = None,
        email: str | None = None,
        card_number: str | None = None,
    ) -> None:
        self.written = (last, first, patronymic or "")
        self.last, self.first, self.patronymic = _letters(last), _letters(first), _letters(patronymic or "")
        self.birth = birth
        self.sex = sex
        self.phone = "".join(ch for ch in phone or "" if ch.isdigit())[-10:]
        self.email = (email or "").strip().lower()
        digits = "".join(ch for ch in card_number or "" if ch.isdigit()).lstrip("0")
        # «б/н» and «1» tell nothing
        self.card = digits if len(digits) >= 4 else ""

    def __repr__(self) -> str:
        return f"Identity of {self.birth.year}"

    @property
    def parts(self) -> tuple[str, str, str]:
        return self.last, self.first, self.patronymic


@dataclass(frozen=True, slots=True)
class Judgement:
    """`evidence` in the order of EVIDENCE: codes, never a value of a record."""

    kind: Kind
    evidence: tuple[Evidence, ...] = ()

    @property
    def proposed(self) -> bool:
        """People should look at the pair."""
        return self.kind in ("strong", "likely", "weak")


def keys(identity: Identity) -> list[int]:
    """At most 7 signed 64-bit keys, sorted; records without a common one cannot be proposed.

    Birth date with each part of the name: one misprint leaves two of three parts whole. The whole name with
    day and month in either order and, for the other dates and surnames, card, phone and e-mail, each with
    the given name, as families share these.
    """
    parts = sorted({_one_form(part) for part in identity.parts if part})
    day, month = sorted((identity.birth.day, identity.birth.month))
    made = {_key("born", identity.birth.isoformat(), part) for part in parts}
    made.add(_key("swapped", str(identity.birth.year), str(day), str(month), *parts))
    for name, value in (("card", identity.card), ("phone", identity.phone), ("email", identity.email)):
        if value:
            made.add(_key(name, value, _one_form(identity.first)))
    return sorted(made)


def judge(left: Identity, right: Identity) -> Judgement:
    """Symmetric. What both records say of the name and the birth date decides; sex and card weigh in."""
    # Parts are compared in the order of the name that has a known given name in its place.
    left, right = sorted((left, right), key=_frame)
    same_contact = _contacts(left, right)
    if left.birth != right.birth:
        return _of_other_dates(left, right, same_contact)
    theirs = _reordered(left, right)
    swapped = theirs != right.parts
    found: set[Evidence] = {"same_birth_date", *same_contact}
    differing = [at for at in range(3) if not _same_part(at, left.parts[at], theirs[at])]
    if swapped:
        found.add("parts_swapped")
    if not differing:
        kind: Kind = "strong"
        found |= {"same_name", *_spelling(left, right, swapped)}
    elif len(differing) > 1:
        return Judgement("different")
    else:
        at = differing[0]
        told = _one_part(at, left.parts[at], theirs[at], bool(same_contact), "same_card_number" in same_contact)
        if isinstance(told, str):
            return Judgement(told)
        kind = told[0]
        found.add(told[1])
    if left.sex and right.sex and left.sex != right.sex:
        found.add("other_sex")
        kind = _weaker(kind)
    if left.card and right.card and left.card != right.card:
        found.add("other_card_number")
        kind = _weaker(kind)
    return Judgement(kind, _sorted(found))


def _of_other_dates(left: Identity, right: Identity, same_contact: set[Evidence]) -> Judgement:
    """The same name on another birth date is a namesake, unless the date itself may be a slip."""
    if not _same_words(left, right):
        return Judgement("different")
    swapped = (left.birth.year, left.birth.month, left.birth.day) == (
        right.birth.year,
        right.birth.day,
        right.birth.month,
    )
    slip: Evidence
    if swapped:
        slip = "day_and_month_swapped"
    elif same_contact and _same_part(1, left.first, right.first) and _one_digit(left.birth, right.birth):
        slip = "one_digit_of_birth_date"
    else:
        return Judgement("namesakes")
    other_card = bool(left.card and right.card and left.card != right.card)
    if other_card or (left.sex and right.sex and left.sex != right.sex):
        return Judgement("namesakes")
    kind: Kind = "likely" if same_contact else "weak"
    return Judgement(kind, _sorted({"same_name", slip, *same_contact}))


def _one_part(
    at: int, mine: str, other: str, same_contact: bool, same_card: bool
) -> tuple[Kind, Evidence] | Literal["twins", "namesakes", "different"]:
    """The verdict on two names that differ in the part `at` (0 surname, 1 given name, 2 patronymic) alone."""
    if at == 2:
        if not mine or not other:
            return "likely", "patronymic_missing"
        return ("likely", "one_typo_in_patronymic") if one_edit_apart(mine, other) else "namesakes"
    if at == 0:
        if one_edit_apart(mine, other):
            # «Лис» and «Рис» are two surnames, «Иванова» and «Иваново» one
            return ("weak" if min(len(mine), len(other)) < 4 else "likely"), "one_typo_in_last_name"
        # a surname changes by marriage; the birth date, the name and a contact stay
        return ("likely" if same_card else "weak", "last_name_changed") if same_contact else "different"
    if _misprinted_given_name(mine, other) or (same_card and one_edit_apart(mine, other)):
        return "likely", "one_typo_in_first_name"
    return "twins"


def _misprinted_given_name(left: str, right: str) -> bool:
    """Алена and Елена are two names and may be twins; «Алнеа» and «Еленна» are none."""
    if neighbours_swapped(left, right):
        return True
    known = (left in GIVEN_NAMES) + (right in GIVEN_NAMES)
    return known == 1 and min(len(left), len(right)) > 3 and one_edit_apart(left, right)


def _frame(identity: Identity) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    return identity.first not in GIVEN_NAMES, identity.parts, identity.written


_ORDERS = ((1, 0, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0))


def _reordered(left: Identity, right: Identity) -> tuple[str, str, str]:
    """The right name in the order in which it agrees best with the left one; its own where nothing is better."""
    best, most = right.parts, sum(map(_same_part, range(3), left.parts, right.parts))
    for one, two, three in _ORDERS:
        order = (right.parts[one], right.parts[two], right.parts[three])
        agree = sum(map(_same_part, range(3), left.parts, order))
        # a twin's name may be the other's patronymic's root, never the part itself: two must agree
        if agree > most and agree >= 2:
            best, most = order, agree
    return best


def _same_part(at: int, mine: str, other: str) -> bool:
    return mine == other or (at == 1 and _one_form(mine) == _one_form(other))


def _same_words(left: Identity, right: Identity) -> bool:
    return sorted(map(_one_form, left.parts)) == sorted(map(_one_form, right.parts))


def _spelling(left: Identity, right: Identity, swapped: bool) -> set[Evidence]:
    """In what the two written names differ, though they say one."""
    if left.written == right.written or swapped:
        return set()
    mine, other = (" ".join(clean(part) for part in side.written) for side in (left, right))
    found: set[Evidence] = set()
    if left.first != right.first:
        found.add("name_variant")
    plain = [repair_lookalikes(text) for text in (mine, other)]
    if plain != [mine, other]:
        found.add("latin_lookalikes")
    mine, other = plain
    if mine.lower() == other.lower():
        return found | ({"letter_case"} if mine != other else set())
    mine, other = mine.lower(), other.lower()
    if ("ё" in mine) != ("ё" in other) or mine.count("ё") != other.count("ё"):
        found.add("yo_for_ye")
    if "name_variant" not in found and fold(mine) != fold(other):
        found.add("spacing_or_hyphen")
    return found


def _contacts(left: Identity, right: Identity) -> set[Evidence]:
    found: set[Evidence] = set()
    if left.card and left.card == right.card:
        found.add("same_card_number")
    if left.phone and left.phone == right.phone:
        found.add("same_phone")
    if left.email and left.email == right.email:
        found.add("same_email")
    return found


def _one_digit(left: date, right: date) -> bool:
    ours, theirs = left.strftime("%d%m%Y"), right.strftime("%d%m%Y")
    return sum(a != b for a, b in zip(ours, theirs, strict=True)) == 1 or neighbours_swapped(ours, theirs)


def _weaker(kind: Kind) -> Kind:
    return "likely" if kind == "strong" else "weak"


def _sorted(found: Iterable[Evidence]) -> tuple[Evidence, ...]:
    return tuple(sorted(found, key=EVIDENCE.index))


def _one_form(name: str) -> str:
    return _VARIANTS.get(name, name)


def _letters(part: str) -> str:
    return "".join(ch for ch in fold(part) if ch.isalpha())


def _key(*values: str) -> int:
    digest = hashlib.blake2b("\x1f".join(values).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
