"""Small unions with a history: what the registry would have published, event by event."""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from common.events.base import Event
from common.events.registry import (
    MemberAdmitted,
    MemberChanged,
    MemberErased,
    MemberExpelled,
    MemberLeft,
    MemberMerged,
    MemberReinstated,
    MemberRetracted,
    MemberTransferred,
    OfficeChanged,
    OfficeEnded,
    OfficeTaken,
    OrganisationChanged,
    OrganisationClosed,
    OrganisationCreated,
    OrganisationMerged,
    OrganisationMoved,
    OrganisationReopened,
)
from common.parking import Record
from common.testing import record_of

FIRST_RECORDED = datetime(2019, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """An event and when its owner wrote it down."""

    event: Event
    recorded_at: datetime
    event_id: UUID = field(default_factory=uuid4)

    def record(self) -> Record:
        return record_of(self.event, event_id=self.event_id, ce_time=self.recorded_at.isoformat())

    def republished(self) -> Record:
        return record_of(self.event, ce_time=self.recorded_at.isoformat())


@dataclass
class History:
    """Builds events with the versions that the owner would give; each is recorded an hour after the last."""

    told: list[Told] = field(default_factory=list)
    states: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def records(self) -> list[Record]:
        return [told.record() for told in self.told]

    def organisation(
        self,
        kind: str,
        parent: UUID | None = None,
        on: date = date(2015, 1, 1),
        id_: UUID | None = None,
        **fields: Any,
    ) -> UUID:
        organisation_id = id_ or uuid4()
        self.states[organisation_id] = {
            "organisation_id": organisation_id,
            "parent_id": parent,
            "kind": kind,
            "code": f"{kind[:1].upper()}{len(self.states):03d}",
            "name": f"Организация {len(self.states)}",
            "status": "active",
            "institution_type": None,
            "employed": None,
            "students": None,
            **fields,
        }
        self._tell(OrganisationCreated, organisation_id, on)
        return organisation_id

    def member(self, organisation_id: UUID, on: date = date(2018, 9, 1), **fields: Any) -> UUID:
        member_id = uuid4()
        self.states[member_id] = {
            "member_id": member_id,
            "organisation_id": organisation_id,
            "status": "member",
            "category": "working",
            "sex": "female",
            "birth_year": 1980,
            "joined_on": on,
            "left_on": None,
            "consents": [],
            "pedagogical": None,
            **fields,
        }
        self._tell(MemberAdmitted, member_id, on, origin="import")
        return member_id

    def change_member(self, member_id: UUID, on: date, **fields: Any) -> None:
        self.states[member_id].update(fields)
        self._tell(MemberChanged, member_id, on)

    def transfer(self, member_id: UUID, to: UUID, on: date) -> None:
        before = self.states[member_id]["organisation_id"]
        self.states[member_id]["organisation_id"] = to
        self._tell(MemberTransferred, member_id, on, from_organisation_id=before)

    def end(self, member_id: UUID, on: date, status: str = "left") -> None:
        self.states[member_id].update(status=status, left_on=on)
        self._tell(MemberLeft if status == "left" else MemberExpelled, member_id, on)

    def rejoin(self, member_id: UUID, on: date) -> None:
        self.states[member_id].update(status="member", left_on=None, joined_on=on)
        self._tell(MemberAdmitted, member_id, on, origin="application")

    def reinstate(self, member_id: UUID, on: date) -> None:
        self.states[member_id].update(status="member", left_on=None)
        self._tell(MemberReinstated, member_id, on)

    def merge_member(self, member_id: UUID, into: UUID, on: date) -> None:
        self.states[member_id].update(status="merged", left_on=on)
        self._tell(MemberMerged, member_id, on, into_member_id=into)

    def retract(self, member_id: UUID) -> None:
        """The record was a mistake: its end is its first day."""
        first = self.states[member_id]["joined_on"]
        self.states[member_id].update(status="retracted", left_on=first)
        self._tell(MemberRetracted, member_id, first)

    def erase(self, member_id: UUID, on: date) -> None:
        self.states[member_id].update(status="erased", left_on=self.states[member_id]["left_on"] or on)
        self._tell(MemberErased, member_id, on)

    def take_office(
        self, organisation_id: UUID, member_id: UUID, office: str, starts_on: date, ends_on: date, **fields: Any
    ) -> UUID:
        term_id = uuid4()
        self.states[term_id] = {
            "term_id": term_id,
            "organisation_id": organisation_id,
            "member_id": member_id,
            "office": office,
            "released": False,
            "starts_on": starts_on,
            "ends_on": ends_on,
            **fields,
        }
        self._tell(OfficeTaken, term_id, starts_on)
        return term_id

    def change_office(self, term_id: UUID, on: date, **fields: Any) -> None:
        self.states[term_id].update(fields)
        self._tell(OfficeChanged, term_id, on)

    def end_office(self, term_id: UUID, on: date) -> None:
        self.states[term_id]["ends_on"] = on
        self._tell(OfficeEnded, term_id, on)

    def merge_organisation(self, organisation_id: UUID, into: UUID, on: date) -> None:
        """Its members go to the other, one by one, and it is closed."""
        for key, state in list(self.states.items()):
            if (
                state.get("joined_on")
                and state["organisation_id"] == organisation_id
                and state["status"] == "member"
            ):
                self.transfer(key, into, on)
        self.states[organisation_id].update(status="closed", successor_ids=[into])
        self._tell(OrganisationMerged, organisation_id, on)

    def reopen(self, organisation_id: UUID, on: date) -> None:
        self.states[organisation_id].update(status="active", successor_ids=[])
        self._tell(OrganisationReopened, organisation_id, on)

    def change_organisation(self, organisation_id: UUID, on: date, **fields: Any) -> None:
        self.states[organisation_id].update(fields)
        self._tell(OrganisationChanged, organisation_id, on)

    def move(self, organisation_id: UUID, to: UUID, on: date) -> None:
        self.states[organisation_id]["parent_id"] = to
        self._tell(OrganisationMoved, organisation_id, on)

    def close(self, organisation_id: UUID, on: date) -> None:
        self.states[organisation_id]["status"] = "closed"
        self._tell(OrganisationClosed, organisation_id, on)

    def _tell(self, kind: type[Event], key: UUID, on: date, **extra: Any) -> None:
        state = self.states[key]
        state["version"] = state.get("version", 0) + 1
        event = kind(effective_on=on, **state, **extra)
        self.told.append(Told(event, FIRST_RECORDED + timedelta(hours=len(self.told))))


def random_union(chance: random.Random) -> tuple[History, UUID]:
    """A region with a year and a half of everything that happens, late records and corrections too."""
    history = History()
    region = history.organisation("regional")
    territorials = [history.organisation("territorial", region) for _ in range(2)]
    primaries = [
        history.organisation(
            "primary",
            chance.choice(territorials),
            on=_day(chance, 2018, 2020),
            institution_type=chance.choice(["school", "preschool", "other", None]),
            employed=chance.choice([None, 0, 7, 20]),
            students=chance.choice([None, 5]),
        )
        for _ in range(3)
    ]
    university = history.organisation(
        "primary_with_territorial_rights", region, institution_type="university", employed=30, students=40
    )
    unit = history.organisation("structural_unit", university)
    places = [*primaries, university, unit]
    members = [
        history.member(
            chance.choice(places),
            on=_day(chance, 2018, 2020),
            category=chance.choice(["working", "student", "pensioner", None]),
            sex=chance.choice(["female", "male", None]),
            birth_year=chance.choice([1950, 1984, 1985, 1986, 1990, 2003]),
            pedagogical=chance.choice([True, False, None]),
        )
        for _ in range(chance.randint(1, 7))
    ]
    terms: list[UUID] = []
    for _ in range(chance.randint(0, 16)):
        on, member = _day(chance, 2019, 2021), chance.choice(members)
        match chance.randint(0, 17):
            case 0:
                history.change_member(member, on, category=chance.choice(["working", "pensioner"]))
            case 1:
                history.change_member(member, on, birth_year=chance.choice([1985, 1986]))
            case 2:
                history.transfer(member, chance.choice(places), on)
            case 3:
                history.end(member, on, chance.choice(["left", "expelled"]))
            case 4:
                history.rejoin(member, on)
            case 5:
                history.move(chance.choice(primaries), chance.choice([*territorials, region]), on)
            case 6:
                history.close(chance.choice(primaries), on)
            case 7:
                history.change_organisation(chance.choice(places), on, employed=chance.choice([None, 9]))
            case 8:
                primaries.append(history.organisation("primary", chance.choice(territorials), on=on))
                places.append(primaries[-1])
            case 9:
                history.change_member(member, on, pedagogical=chance.choice([True, False]))
            case 10:
                history.reinstate(member, on)
            case 11 if len(members) > 1:
                into = chance.choice([other for other in members if other != member])
                history.merge_member(member, into, on)
            case 12:
                history.erase(member, on)
            case 13 | 14:
                office = chance.choice(["chair", "deputy_chair", "committee_member", "audit_member"])
                ends = date(on.year + chance.choice([0, 1, 5]), 12, 31)
                terms.append(history.take_office(chance.choice(places), member, office, on, ends))
            case 15 if terms:
                term = chance.choice(terms)
                if chance.randint(0, 1):
                    history.change_office(term, on, released=chance.choice([True, False]))
                else:
                    history.end_office(term, on)
            case 16:
                one, other = chance.sample(primaries, 2)
                if chance.randint(0, 1):
                    history.merge_organisation(one, other, on)
                else:
                    history.reopen(one, on)
            case 17:
                history.retract(member)
    return history, region


def _day(chance: random.Random, first: int, last: int) -> date:
    if chance.randint(0, 3) == 0:
        return date(chance.randint(first, last), 1, 1)
    return date(chance.randint(first, last), chance.randint(1, 12), chance.randint(1, 28))
