"""The slow reference: every figure from the raw events, one by one, in plain Python and by the words of the forms."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from common.events.registry import MemberEvent, MemberTransferred, OfficeEvent, OrganisationEvent
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
    *("youth", "women", "pedagogical", "employed", "coverage_working", "students", "coverage_students"),
    *("joined", "left", "expelled", "transferred_in", "transferred_out"),
]
_OFFICES = ["committee_members", "audit_members"]
_CHAIRS = ["chairs_women", "chairs_youth", "chairs_released", "all_members", "digital_coverage"]
_TYPES = [
    *("at_schools", "at_preschools", "at_vocational", "at_universities", "at_supplementary", "at_authorities"),
    "at_others",
]
ROWS: dict[str, list[str]] = {
    "primary_yearly": [*_MEMBERS, *_OFFICES, *_CHAIRS],
    "territorial_summary": ["primaries", *_TYPES, *_MEMBERS, *_OFFICES, "chairs", *_CHAIRS],
    "regional_summary": ["territorials", "primaries", *_TYPES, *_MEMBERS, *_OFFICES, "chairs", *_CHAIRS],
}
"""What the rows 01, 02, … of each form mean."""
COMMITTEE = ("chair", "deputy_chair", "committee_member")
NEVER = ("merged", "retracted")
"""Of a record that is a double or a mistake: it holds of all days."""
ENDED = ("left", "expelled", "erased", *NEVER)


class Life:
    """What is known of one member, in the order of recording."""

    def __init__(self, events: Sequence[MemberEvent]) -> None:
        ordered = sorted(events, key=lambda event: event.version)
        self.events = [
            event
            for before, event in zip([None, *ordered], ordered, strict=False)
            # Who had left is not a member any less for being forgotten.
            if not (event.status == "erased" and before is not None and before.status in ENDED)
        ]

    def on(self, day: date) -> MemberEvent | None:
        """The last word that holds on the day; that a record is a double, or a mistake, holds of all days."""
        said = [event for event in self.events if event.effective_on <= day or event.status in NEVER]
        return said[-1] if said else None

    def transfers(self, after: date, until: date) -> list[MemberTransferred]:
        return [
            event
            for event in self.events
            if isinstance(event, MemberTransferred)
            and after < event.effective_on <= until
            and self.on(event.effective_on) is event
        ]


class Reference:
    def __init__(self, told: Sequence[Told], as_of: date, known_at: datetime = FAR) -> None:
        self.as_of = as_of
        self.year_before = as_of.replace(year=as_of.year - 1)
        self.organisations: dict[UUID, OrganisationEvent] = {}
        lives: dict[UUID, list[MemberEvent]] = {}
        terms: dict[UUID, list[OfficeEvent]] = {}
        for item in told:
            event = item.event
            if item.recorded_at > known_at:
                continue
            if isinstance(event, MemberEvent):
                lives.setdefault(event.member_id, []).append(event)
            elif isinstance(event, OfficeEvent):
                terms.setdefault(event.term_id, []).append(event)
            elif isinstance(event, OrganisationEvent) and event.effective_on <= as_of:
                seen = self.organisations.get(event.organisation_id)
                if seen is None or seen.version < event.version:
                    self.organisations[event.organisation_id] = event
        self.lives = {member: Life(events) for member, events in lives.items()}
        self.members = {m: state for m, life in self.lives.items() if (state := life.on(as_of)) is not None}
        self.transfers = [t for life in self.lives.values() for t in life.transfers(self.year_before, as_of)]
        self.offices = [held for events in terms.values() if (held := self._held(events)) is not None]

    def _held(self, events: Sequence[OfficeEvent]) -> OfficeEvent | None:
        """The term as it is on the day, when the day is within it: its days are those told last."""
        ordered = sorted(events, key=lambda event: event.version)
        if not ordered[-1].starts_on <= self.as_of <= ordered[-1].ends_on:
            return None
        told = [event for event in ordered if event.effective_on <= self.as_of]
        return told[-1] if told else ordered[0]

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
        names = ("members", "joined", "left", "expelled", "transferred_in", "transferred_out")
        return any(figures[name] for name in names)

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
        ever = [m for m in people if m.status not in NEVER]

        def held(
            offices: Sequence[str], condition: Callable[[OfficeEvent], bool] = lambda _: True, asked: bool = True
        ) -> int | None:
            """People in these offices that meet the condition; of a primary without such an office nothing is known."""
            found: int | None = None if asked else 0
            for place in primaries:
                here = [
                    o for o in self.offices if o.organisation_id == place.organisation_id and o.office in offices
                ]
                if here:
                    found = (found or 0) + len({o.member_id for o in here if condition(o)})
            return found

        def of_holder(office: OfficeEvent, condition: Callable[[MemberEvent], bool]) -> bool:
            holder = self.members.get(office.member_id)
            return holder is not None and condition(holder)

        return {
            "members": len(active),
            "members_working": of_category("working"),
            "members_student": of_category("student"),
            "members_pensioner": of_category("pensioner"),
            "members_without_category": of_category(None),
            "youth": len(young),
            "youth_working": len([m for m in young if m.category == "working"]),
            "women": len([m for m in active if m.sex == "female"]),
            "pedagogical": len([m for m in active if m.pedagogical]),
            "joined": len([m for m in ever if self._in_year(m.joined_on)]),
            "left": len([m for m in people if m.status in ("left", "erased") and self._in_year(m.left_on)]),
            "expelled": len([m for m in people if m.status == "expelled" and self._in_year(m.left_on)]),
            "transferred_in": len([t for t in self.transfers if t.organisation_id in inside]),
            "transferred_out": len([t for t in self.transfers if t.from_organisation_id in inside]),
            "chairs": held(["chair"], asked=False),
            "chairs_women": held(["chair"], lambda o: of_holder(o, lambda m: m.sex == "female")),
            "chairs_youth": held(["chair"], lambda o: of_holder(o, lambda m: self._age(m) < 35)),
            "chairs_released": held(["chair"], lambda o: o.released),
            "committee_members": held(COMMITTEE),
            "audit_members": held(["audit_member"]),
            "all_members": None,
            "digital_coverage": None,
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
        return {f"{number:02d}": figures[name] for number, name in enumerate(ROWS[form], start=1)}

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
        return day is not None and self.year_before < day <= self.as_of

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
