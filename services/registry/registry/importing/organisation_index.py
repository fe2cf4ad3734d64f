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
    """What matching needs to know. `id` is the caller's; `aliases` are other names of the same organisation."""

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
        self._by_figures: dict[frozenset[str], list[tuple[frozenset[str], str]]] = defaultdict(list)
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
            found = stems(without_places(core(words)))
            self._stems[found].add(key)
            figures = frozenset(word for word in found if word.isdigit())
            self._by_figures[figures].append((found - figures, key))

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
        chosen, _ = self._only(self._near(found, within), within, members_only)
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

    def _near(self, found: frozenset[str], within: str | None) -> set[str]:
        """Organisations whose figures are the same and whose words differ by one misprint, or — inside `within` —
        of whose words the name gives only some."""
        figures = frozenset(word for word in found if word.isdigit())
        letters = found - figures
        misprinted: set[str] = set()
        shortened: set[str] = set()
        for words, key in self._by_figures.get(figures, ()):
            missing, added = words - letters, letters - words
            if len(missing) == 1 and len(added) == 1:
                (left,), (right,) = missing, added
                # short words are names of kinds (СОШ, ООШ): one letter makes another kind of them
                if min(len(left), len(right)) >= 5 and one_edit_apart(left, right):
                    misprinted.add(key)
            elif not added and letters and (figures or len(letters) > 1) and within is not None:
                if self._is_under(key, within):
                    shortened.add(key)
        return misprinted or shortened
