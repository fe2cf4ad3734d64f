"""Which organisation of the tree an office means."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from registry.importing.organisation_names import core, plain, stems, without_places, without_union_words
from registry.importing.texts import one_edit_apart

OrganisationKind = Literal[
    "federal", "regional", "territorial", "primary", "primary_with_territorial_rights", "structural_unit",
    "union_group",
]  # fmt: skip
MEMBER_KINDS: frozenset[OrganisationKind] = frozenset(
    ("primary", "primary_with_territorial_rights", "structural_unit", "union_group")
)


@dataclass(frozen=True, slots=True)
class IndexedOrganisation:
    """What matching needs to know. `id` is the caller's; `aliases` are other names of the same
    organisation."""

    id: str
    name: str
    kind: OrganisationKind
    code: str | None = None
    parent_id: str | None = None
    aliases: tuple[str, ...] = ()


class OrganisationIndex:
    """Matches spelled-otherwise names. Built once, then read only; `match` answers are remembered.

    Exact forms come first, then forms with ever more left out; every step answers only when it leaves one
    organisation. Figures in a name are never guessed: «№ 1» is not «№ 11».
    """

    def __init__(self, organisations: Iterable[IndexedOrganisation]) -> None:
        self._by_id: dict[str, IndexedOrganisation] = {}
        self._codes: dict[str, set[str]] = defaultdict(set)
        self._exact: dict[str, set[str]] = defaultdict(set)
        self._core: dict[str, set[str]] = defaultdict(set)
        self._stems: dict[frozenset[str], set[str]] = defaultdict(set)
        self._by_figures: dict[frozenset[str], list[tuple[frozenset[str], frozenset[str], str]]] = defaultdict(
            list
        )
        self._parents: dict[str, str | None] = {}
        self._answers: dict[tuple[str, str | None, bool], str | None] = {}
        for organisation in organisations:
            self._add(organisation)

    def _add(self, organisation: IndexedOrganisation) -> None:
        key = organisation.id
        self._by_id[key] = organisation
        self._parents[key] = organisation.parent_id
        if organisation.code:
            self._codes[plain(organisation.code)].add(key)
        for name in (organisation.name, *organisation.aliases):
            words = plain(name)
            if not words:
                continue
            self._exact[words].add(key)
            self._exact[without_union_words(words)].add(key)
            self._core[core(words)].add(key)
            self._core[without_places(core(words))].add(key)
            bare = without_places(core(words))
            found = stems(bare)
            self._stems[found].add(key)
            figures = _figures(found)
            self._by_figures[figures].append((frozenset(bare.split()) - figures, found - figures, key))

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, organisation_id: str) -> IndexedOrganisation | None:
        return self._by_id.get(organisation_id)

    def match(self, name: str, within: str | None = None, *, members_only: bool = True) -> str | None:
        """The id of the one organisation meant by `name` (a name or a code), or None.

        `within` is the id of an organisation whose subtree decides between equally good candidates and
        allows short names («СОШ № 2»). `members_only` leaves out organisations that people do not belong to
        directly (regional and territorial).
        """
        asked = (name, within, members_only)
        if asked not in self._answers:
            self._answers[asked] = self._find(name, within, members_only)
        return self._answers[asked]

    def _find(self, name: str, within: str | None, members_only: bool) -> str | None:
        words = plain(name)
        if not words:
            return None
        short = core(words)
        bare = without_places(short)
        found = stems(bare)
        for candidates in (
            self._codes.get(words),
            self._exact.get(words),
            self._exact.get(without_union_words(words)),
            self._core.get(short),
            self._core.get(bare),
            self._stems.get(found),
        ):
            if candidates:
                chosen, ambiguous = self._only(candidates, within, members_only)
                if chosen or ambiguous:
                    return chosen
        chosen, _ = self._only(self._near(frozenset(bare.split()), found, within), within, members_only)
        return chosen or self._leading_code(name, members_only)

    def _leading_code(self, name: str, members_only: bool) -> str | None:
        """«T01-02 СОШ № 2», «СОШ № 2 (T01-02)»: the code says it when the words do not."""
        pieces = [piece.strip("()[].,:;") for piece in name.split()]
        if len(pieces) < 2:
            return None
        for piece in (pieces[0], pieces[-1]):
            if any(ch.isdigit() for ch in piece) and any(ch.isalpha() for ch in piece):
                chosen, _ = self._only(self._codes.get(plain(piece), set()), None, members_only)
                if chosen:
                    return chosen
        return None

    def _only(self, candidates: set[str], within: str | None, members_only: bool) -> tuple[str | None, bool]:
        """The one candidate, and whether there were several that nothing decides between."""
        kept = {c for c in candidates if not members_only or self._by_id[c].kind in MEMBER_KINDS}
        if len(kept) > 1 and within is not None:
            kept = {c for c in kept if self._is_under(c, within)} or kept
        return (next(iter(kept)), False) if len(kept) == 1 else (None, len(kept) > 1)

    def _is_under(self, organisation: str | None, root: str) -> bool:
        for _ in range(16):
            if organisation is None or organisation == root:
                break
            organisation = self._parents.get(organisation)
        return organisation == root

    def _near(self, words: frozenset[str], found: frozenset[str], within: str | None) -> set[str]:
        """Organisations with the same figures, whose words differ by one misprint or — inside `within` —
        of whose words the name gives only some."""
        figures = _figures(found)
        letters = found - figures
        misprinted: set[str] = set()
        shortened: set[str] = set()
        for their_words, their_stems, key in self._by_figures.get(figures, ()):
            if _one_misprint(their_words, words - figures) or _one_misprint(their_stems, letters):
                misprinted.add(key)
            elif (
                within is not None
                and letters
                and letters < their_stems
                and (figures or len(letters) > 1)
                and self._is_under(key, within)
            ):
                shortened.add(key)
        return misprinted or shortened


def _figures(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words if word.isdigit())


def _one_misprint(left: frozenset[str], right: frozenset[str]) -> bool:
    missing, added = left - right, right - left
    if len(missing) != 1 or len(added) != 1:
        return False
    (one,), (other,) = missing, added
    # short words are names of kinds (СОШ, ООШ): one letter makes another kind of them
    return min(len(one), len(other)) >= 5 and one_edit_apart(one, other)
