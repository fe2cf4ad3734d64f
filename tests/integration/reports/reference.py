"""The slow reference: every figure from the raw events, one by one, in plain Python and by the words of the forms."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from common.events.registry import MemberEvent, OrganisationEvent
from tests.integration.reports.histories import Told

FAR = datetime(2999, 1, 1, tzinfo=UTC)
PRIMARY = ("primary", "primary_with_territorial_rights")
FORM_OF_KIND = {
    "primary": "primary_yearly",
    "primary_with_territorial_rights": "primary_yearly",
    "territorial": "territorial_summary",
    "regional": "regional_summary",
}

_MEMBERS = [
    *("members", "members_working", "members_student", "members_pensioner", "members_without_category"),
    *("youth", "women", None, "employed", "coverage_working", "students", "coverage_students"),
    *("joined", "left", "expelled"),
]
_DECLARED = [None] * 5
_TYPES = [
    *("at_schools", "at_preschools", "at_vocational", "at_universities", "at_supplementary", "at_authorities"),
    "at_others",
]
ROWS: dict[str, list[str | None]] = {
    "primary_yearly": [*_MEMBERS, *_DECLARED],
    "territorial_summary": ["primaries", *_TYPES, *_MEMBERS, *_DECLARED],
    "regional_summary": ["territorials", "primaries", *_TYPES, *_MEMBERS, *_DECLARED],
}
"""What the rows 01, 02, … of each form mean; None: declared by people."""


class Reference:
    def __init__(self, told: Sequence[Told], as_of: date, known_at: datetime = FAR) -> None:
        self.as_of = as_of
        self.organisations: dict[UUID, OrganisationEvent] = {}
        self.members: dict[UUID, MemberEvent] = {}
        for item in told:
            event = item.event
            if event.effective_on > as_of or item.recorded_at > known_at:
                continue
            states: dict[UUID, Any] = self.members if isinstance(event, MemberEvent) else self.organisations
            key = UUID(event.key)
            if key not in states or states[key].version < event.version:
                states[key] = event

    def below(self, node: UUID) -> set[UUID]:
        """The node and everything below it."""
        if node not in self.organisations:
            return set()
        found, new = set(), {node}
        while new:
            found |= new
            new = {o.organisation_id for o in self.organisations.values() if o.parent_id in new} - found
        return found

    def people(self, node: UUID) -> bool:
        """Whether there is anybody to tell of."""
        figures = self.indicators(node)
        return any(figures[name] for name in ("members", "joined", "left", "expelled"))

    def indicators(self, node: UUID) -> dict[str, int | float | None]:
        inside = self.below(node)
        people = [m for m in self.members.values() if m.organisation_id in inside]
        active = [m for m in people if m.status == "member"]
        places = [self.organisations[o] for o in inside if self.organisations[o].status == "active"]
        primaries = [o for o in places if o.kind in PRIMARY]

        def of_category(category: str | None) -> int:
            return len([m for m in active if m.category == category])

        def at(*types: str | None) -> int:
            return len([o for o in primaries if o.institution_type in types])

        employed = _sum([o.employed for o in primaries])
        students = _sum([o.students for o in primaries])
        young = [m for m in active if self._age(m) < 35]
        return {
            "members": len(active),
            "members_working": of_category("working"),
            "members_student": of_category("student"),
            "members_pensioner": of_category("pensioner"),
            "members_without_category": of_category(None),
            "youth": len(young),
            "youth_working": len([m for m in young if m.category == "working"]),
            "women": len([m for m in active if m.sex == "female"]),
            "joined": len([m for m in people if self._in_year(m.joined_on)]),
            "left": len([m for m in people if m.status == "left" and self._in_year(m.left_on)]),
            "expelled": len([m for m in people if m.status == "expelled" and self._in_year(m.left_on)]),
            "primaries": len(primaries),
            "territorials": len([o for o in places if o.kind == "territorial"]),
            "employed": employed,
            "students": students,
            "at_schools": at("school"),
            "at_preschools": at("preschool"),
            "at_vocational": at("vocational"),
            "at_universities": at("university"),
            "at_supplementary": at("supplementary"),
            "at_authorities": at("authority"),
            "at_others": at("other", None),
            "coverage_working": _percent(of_category("working"), employed),
            "coverage_students": _percent(of_category("student"), students),
        }

    def rows(self, node: UUID, form: str) -> dict[str, int | float | None]:
        figures = self.indicators(node)
        return {
            f"{number:02d}": figures[name] if name else None for number, name in enumerate(ROWS[form], start=1)
        }

    def reports(self, root: UUID) -> dict[tuple[str, UUID], dict[str, int | float | None]]:
        """Every report that is due from the root and below."""
        found = {}
        for node in self.below(root):
            organisation = self.organisations[node]
            form = FORM_OF_KIND.get(organisation.kind)
            if form and (organisation.status == "active" or self.people(node)):
                found[form, node] = self.rows(node, form)
        return found

    def _in_year(self, day: date | None) -> bool:
        return day is not None and self.as_of.replace(year=self.as_of.year - 1) < day <= self.as_of

    def _age(self, member: MemberEvent) -> int:
        ended = self.as_of.year - (1 if self.as_of.timetuple().tm_yday == 1 else 0)
        return ended - member.birth_year


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _percent(part: int, whole: int | None) -> float | None:
    if not whole:
        return None
    return float((Decimal(100 * part) / whole).quantize(Decimal("0.1"), ROUND_HALF_UP))
