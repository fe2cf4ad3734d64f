"""A node at a glance, from its live counters alone: nothing is counted when it is asked for."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from common.auth import Principal, in_scope
from common.errors import NotFound
from reports.forms import KINDS_OF_LEVEL, FormBook
from reports.models import Organisation, Tally
from reports.records import DRAFTS

CHILDREN = 500
"""At most so many organisations directly below are shown, by code."""
_OF_CHILDREN = ("members", "category|working", "category|student", "employed", "students", "cards", "all_members")

Cells = Mapping[str, int]


@dataclass(frozen=True)
class Completeness:
    """Of one form for one day: how many organisations are to report, and how far they are."""

    form: str
    level: str
    as_of: date
    expected: int
    statuses: dict[str, int]
    on_time: int
    late: int
    signed_on: dict[date, int]
    accepted_on: dict[date, int]

    @property
    def formed(self) -> int:
        return sum(self.statuses.values())

    @property
    def signed(self) -> int:
        """Signed or further."""
        return self.formed - sum(self.statuses.get(status, 0) for status in DRAFTS)

    @property
    def accepted(self) -> int:
        """Accepted or further."""
        return self.statuses.get("accepted", 0) + self.statuses.get("locked", 0)


@dataclass(frozen=True)
class Node:
    organisation: Organisation
    cells: Cells
    reports: list[Completeness] = field(default_factory=list)


@dataclass(frozen=True)
class Cockpit:
    node: Node
    children: list[Node]


async def cockpit(
    session: AsyncSession, principal: Principal, book: FormBook, organisation_id: UUID, as_of: date | None
) -> Cockpit:
    """`as_of`: of the reports; None: the newest day for which there are any."""
    organisation = await session.scalar(
        sa.select(Organisation).where(
            col(Organisation.organisation_id) == organisation_id,
            in_scope(principal, Organisation.organisation_id, Organisation),
        )
    )
    if organisation is None:
        raise NotFound("organisation", organisation_id)
    cells: dict[str, int] = {
        row[0]: row[1]
        for row in await session.execute(
            sa.select(col(Tally.cell), col(Tally.value)).where(
                col(Tally.organisation_id) == organisation_id, col(Tally.value) != 0
            )
        )
    }
    as_of = as_of or _newest_day(cells)
    below = list(
        (
            await session.execute(
                sa.select(Organisation)
                .where(col(Organisation.parent_id) == organisation_id, col(Organisation.status) == "active")
                .order_by(col(Organisation.code), col(Organisation.organisation_id))
                .limit(CHILDREN)
            )
        ).scalars()
    )
    of_children = await _cells_of(session, [child.organisation_id for child in below], _wanted(book, as_of))
    return Cockpit(
        Node(organisation, cells, completeness(book, cells, as_of)),
        [
            Node(child, found, completeness(book, found, as_of))
            for child in below
            for found in [of_children[child.organisation_id]]
        ],
    )


async def _cells_of(session: AsyncSession, ids: list[UUID], cells: list[str]) -> Mapping[UUID, Cells]:
    found: dict[UUID, dict[str, int]] = defaultdict(dict)
    if ids:
        rows = await session.execute(
            sa.select(col(Tally.organisation_id), col(Tally.cell), col(Tally.value)).where(
                col(Tally.organisation_id).in_(ids), col(Tally.cell).in_(cells), col(Tally.value) != 0
            )
        )
        for organisation_id, cell, value in rows:
            found[organisation_id][cell] = value
    return found


def _wanted(book: FormBook, as_of: date | None) -> list[str]:
    """Of each child: what its line in the heat table needs."""
    kinds = [f"organisations|{kind}" for kinds in KINDS_OF_LEVEL.values() for kind in kinds]
    statuses = (*DRAFTS, "signed", "accepted", "locked")
    reports = [f"report|{form}|{as_of}|{status}" for form in book.newest for status in statuses] if as_of else []
    return [*_OF_CHILDREN, *kinds, *reports]


def _newest_day(cells: Cells) -> date | None:
    return max((date.fromisoformat(c.split("|")[2]) for c in cells if c.startswith("report|")), default=None)


def completeness(book: FormBook, cells: Cells, as_of: date | None) -> list[Completeness]:
    """By form; forms that nobody here reports by are left out."""
    if as_of is None:
        return []
    found = []
    for code, form in book.newest.items():
        if not form.is_made_as_of(as_of):
            continue
        key = f"{code}|{as_of}"
        statuses = _under(cells, f"report|{key}|")
        active = sum(cells.get(f"organisations|{kind}", 0) for kind in form.kinds)
        # More reports than organisations now: some have closed since the day, and tell of it.
        expected = max(active, sum(statuses.values()))
        if expected:
            days = {step: _days(cells, f"day|{key}|{step}|") for step in ("signed", "accepted")}
            found.append(
                Completeness(
                    form=code,
                    level=form.level,
                    as_of=as_of,
                    expected=expected,
                    statuses=statuses,
                    on_time=cells.get(f"ontime|{key}", 0),
                    late=cells.get(f"late|{key}", 0),
                    signed_on=days["signed"],
                    accepted_on=days["accepted"],
                )
            )
    return found


def _under(cells: Cells, prefix: str) -> dict[str, int]:
    return {cell.removeprefix(prefix): value for cell, value in cells.items() if cell.startswith(prefix)}


def _days(cells: Cells, prefix: str) -> dict[date, int]:
    return {date.fromisoformat(day): count for day, count in sorted(_under(cells, prefix).items())}


def movement(cells: Cells, year: int) -> dict[str, int]:
    """What happened in a calendar year so far."""
    return {name: cells.get(f"{name}|{year}", 0) for name in ("joined", "left", "expelled", "in", "out")}


def pyramid(cells: Cells) -> list[dict[str, Any]]:
    """Members by the five years within which they were born, and sex; the oldest first."""
    bands: dict[int, dict[str, int]] = defaultdict(dict)
    for cell, count in _under(cells, "born|").items():
        sex, born = cell.split("|")
        if born != "-":
            bands[int(born)][sex] = count
    return [
        {
            "born_from": born,
            "women": of.get("female", 0),
            "men": of.get("male", 0),
            "sex_not_given": of.get("-", 0),
        }
        for born, of in sorted(bands.items())
    ]
