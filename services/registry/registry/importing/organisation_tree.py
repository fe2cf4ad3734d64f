"""The tree that the register of organisations makes: codes, parents, order."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from registry.importing.organisation_index import IndexedOrganisation, OrganisationIndex, OrganisationKind
from registry.importing.organisation_names import plain

InstitutionType = Literal["school", "preschool", "vocational", "university", "supplementary", "authority", "other"]
OrganisationProblemReason = Literal[
    "name_missing", "kind_unknown", "code_repeated", "parent_unknown", "parent_cycle", "head_count_unreadable"
]


@dataclass(frozen=True, slots=True)
class OrganisationRecord:
    """One organisation as the register states it. `code` is the register's, or made of its place in the
    tree."""

    sheet: str | None
    row: int
    code: str
    kind: OrganisationKind
    name: str
    parent_code: str | None
    short_name: str | None = None
    institution_type: InstitutionType | None = None
    employees: int | None = None
    students: int | None = None
    inn: str | None = None


@dataclass(frozen=True, slots=True)
class OrganisationProblem:
    """A row that was not taken, and what to do about it."""

    sheet: str | None
    row: int
    reason: OrganisationProblemReason
    message_ru: str


@dataclass(frozen=True, slots=True)
class OrganisationRegister:
    """`organisations` stand parents first; a row is either among them or among `problems`."""

    organisations: tuple[OrganisationRecord, ...]
    problems: tuple[OrganisationProblem, ...]

    def index(self) -> OrganisationIndex:
        """The index of this register, an organisation's id being its code."""
        return OrganisationIndex(
            IndexedOrganisation(
                id=record.code,
                name=record.name,
                kind=record.kind,
                code=record.code,
                parent_id=record.parent_code,
                aliases=(record.short_name,) if record.short_name else (),
            )
            for record in self.organisations
        )


RANK: dict[OrganisationKind, int] = {
    "federal": 0, "regional": 1, "territorial": 2, "primary_with_territorial_rights": 3, "primary": 3,
    "structural_unit": 4, "union_group": 5,
}  # fmt: skip


def with_codes(
    drafts: list[OrganisationRecord], problems: list[OrganisationProblem]
) -> Iterator[OrganisationRecord]:
    """Gives a code to those without one and refuses the second of two equal codes."""
    seen: dict[str, int] = {}
    taken = {draft.code for draft in drafts if draft.code}
    number = 0
    for draft in drafts:
        code = draft.code
        if not code:
            number += 1
            while (code := f"{number:04d}") in taken:
                number += 1
        if code in seen:
            problems.append(
                OrganisationProblem(
                    draft.sheet,
                    draft.row,
                    "code_repeated",
                    f"Код «{code}» уже есть в строке {seen[code]} — дайте организации свой код.",
                )
            )
            continue
        seen[code] = draft.row
        yield replace(draft, code=code)


def in_tree_order(
    drafts: Iterator[OrganisationRecord], problems: list[OrganisationProblem]
) -> list[OrganisationRecord]:
    records = list(drafts)
    by_code = {plain(record.code): record.code for record in records}
    names: dict[str, list[str]] = {}
    for record in records:
        names.setdefault(plain(record.name), []).append(record.code)
    nearest: dict[int, str] = {}
    linked: list[OrganisationRecord] = []
    any_parent = any(record.parent_code for record in records)
    for record in records:
        rank = RANK[record.kind]
        above = [nearest[r] for r in sorted(nearest, reverse=True) if r < rank]
        parent: str | None = None
        if record.parent_code:
            key = plain(record.parent_code)
            named = names.get(key, [])
            parent = by_code.get(key) or (named[0] if len(named) == 1 else None)
            if parent is None:
                problems.append(_orphan(record, f"Вышестоящая организация «{record.parent_code}» не найдена"))
                continue
        elif not any_parent or rank > 1:
            # a register without that column lists each organisation under the one that it belongs to
            parent = above[0] if above else None
        if parent is None and rank > 2:
            problems.append(_orphan(record, "Вышестоящая организация не указана"))
            continue
        linked.append(replace(record, parent_code=parent))
        nearest = {r: code for r, code in nearest.items() if r < rank} | {rank: record.code}
    return _parents_first(linked, problems)


def _orphan(record: OrganisationRecord, what: str) -> OrganisationProblem:
    return OrganisationProblem(
        record.sheet,
        record.row,
        "parent_unknown",
        f"{what} — впишите её код или полное наименование из этого реестра.",
    )


def _parents_first(
    records: list[OrganisationRecord], problems: list[OrganisationProblem]
) -> list[OrganisationRecord]:
    codes = {record.code for record in records}
    placed: set[str] = set()
    ordered: list[OrganisationRecord] = []
    waiting = records
    while waiting:
        later = []
        for record in waiting:
            if record.parent_code is None or record.parent_code in placed:
                placed.add(record.code)
                ordered.append(record)
            else:
                later.append(record)
        if len(later) == len(waiting):
            for record in later:
                if record.parent_code in codes and record.parent_code is not None:
                    problems.append(
                        OrganisationProblem(
                            record.sheet,
                            record.row,
                            "parent_cycle",
                            "Вышестоящие организации ссылаются друг на друга по кругу — исправьте их.",
                        )
                    )
                else:
                    problems.append(_orphan(record, f"Вышестоящая организация «{record.parent_code}» не принята"))
            break
        waiting = later
    return ordered
