"""The cockpit, opened figures and changes as people read them."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from reports import rules
from reports.forms import FormBook
from reports.indicators import Catalogue, Derived
from reports.models import Organisation
from reports.queries import cockpit as counters
from reports.queries.changes import Change
from reports.queries.cockpit import Cells, Cockpit, Completeness, Node
from reports.queries.opening import Opened
from reports.queries.reading import figure
from reports.schemas import OrganisationName
from reports.schemas_insight import (
    BelowView,
    ChangeView,
    CockpitView,
    CompletenessView,
    Coverage,
    DigitalCoverage,
    HeatCell,
    Movement,
    MovementView,
    OpenedView,
    PublicRegion,
    PublicTotal,
    PublicView,
    PyramidBand,
    TrendDay,
)
from reports.states import Moment
from reports.suppression import suppress

PUBLIC = ("members_working", "members_student", "members_pensioner", "members_without_category")
_COLUMNS = ("working", "student", "pensioner", "not_given", "members")


def cockpit_view(found: Cockpit, book: FormBook, today: date) -> CockpitView:
    cells = found.node.cells
    return CockpitView(
        organisation=_name(found.node.organisation),
        organisations=dict(sorted(_under(cells, "organisations|").items())),
        members=cells.get("members", 0),
        categories={
            "none" if name == "-" else name: count for name, count in sorted(_under(cells, "category|").items())
        },
        pedagogical=cells.get("pedagogical", 0),
        as_of=found.node.reports[0].as_of if found.node.reports else None,
        reports=[_completeness(each, book, today) for each in found.node.reports],
        coverage_working=_coverage(cells, "category|working", "employed"),
        coverage_students=_coverage(cells, "category|student", "students"),
        digital=_digital(cells),
        movement=[_movement(cells, year) for year in (today.year, today.year - 1)],
        pyramid=[PyramidBand(**band, born_to=band["born_from"] + 4) for band in counters.pyramid(cells)],
        children=[_heat(child) for child in found.children],
    )


def _completeness(found: Completeness, book: FormBook, today: date) -> CompletenessView:
    days = sorted({*found.signed_on, *found.accepted_on})
    return CompletenessView(
        form=found.form,
        level=book.newest[found.form].level,
        as_of=found.as_of,
        due_on=book.newest[found.form].due_on(found.as_of),
        expected=found.expected,
        formed=found.formed,
        signed=found.signed,
        accepted=found.accepted,
        locked=found.statuses.get("locked", 0),
        returned=found.statuses.get("returned", 0),
        on_time=found.on_time,
        late=found.late,
        debtors=found.expected - found.signed,
        trend=[
            TrendDay(day=day, signed=found.signed_on.get(day, 0), accepted=found.accepted_on.get(day, 0))
            for day in days
        ],
        forecast=rules.forecast(found.accepted_on, found.expected - found.accepted, today),
    )


def _coverage(cells: Cells, members: str, head_count: str) -> Coverage:
    whole = cells.get(head_count)
    return Coverage(
        members=cells.get(members, 0), head_count=whole, percent=_percent(cells.get(members, 0), whole)
    )


def _digital(cells: Cells) -> DigitalCoverage:
    members, everybody = cells.get("members", 0), cells.get("all_members")
    return DigitalCoverage(
        records=members,
        all_members=everybody,
        records_percent=_percent(members, everybody),
        members_with_card=cells.get("cards", 0),
        cards_percent=_percent(cells.get("cards", 0), members),
    )


def _movement(cells: Cells, year: int) -> Movement:
    of = counters.movement(cells, year)
    transferred = {f"transferred_{side}": of.pop(side) for side in ("in", "out")}
    return Movement(year=year, **of, **transferred)


def _heat(child: Node) -> HeatCell:
    cells = child.cells
    expected = sum(each.expected for each in child.reports)
    accepted = sum(each.accepted for each in child.reports)
    return HeatCell(
        **_name(child.organisation).model_dump(),
        members=cells.get("members", 0),
        coverage_working_percent=_coverage(cells, "category|working", "employed").percent,
        coverage_students_percent=_coverage(cells, "category|student", "students").percent,
        records_percent=_digital(cells).records_percent,
        cards_percent=_digital(cells).cards_percent,
        reports_expected=expected,
        reports_signed=sum(each.signed for each in child.reports),
        reports_accepted=accepted,
        accepted_percent=_percent(accepted, expected),
    )


def opened_view(
    organisation_id: UUID, name: str, catalogue: Catalogue, moment: Moment, found: Opened
) -> OpenedView:
    indicator = catalogue.indicators[name]
    unit = indicator.unit
    derived = isinstance(indicator, Derived)
    return OpenedView(
        organisation_id=organisation_id,
        indicator=name,
        label=indicator.label,
        unit=unit,
        as_of=moment.as_of,
        known_at=moment.known_at,
        value=figure(found.value, unit),
        formula=indicator.formula if isinstance(indicator, Derived) else None,
        counts=None
        if derived
        else indicator.model_dump(mode="json", exclude={"label", "unit"}, exclude_none=True),
        of={each: figure(value, catalogue.indicators[each].unit) for each, value in found.of.items()},
        itself=figure(found.itself, unit),
        below=[
            BelowView(
                organisation_id=each.organisation_id,
                code=each.code,
                name=each.name,
                kind=each.kind,
                value=figure(each.value, unit),
                share=None if derived else _share(each.value, found.value),
            )
            for each in found.below
        ],
    )


def change_view(name: str, catalogue: Catalogue, change: Change) -> ChangeView:
    indicator = catalogue.indicators[name]
    before, after = figure(change.before, indicator.unit), figure(change.after, indicator.unit)
    return ChangeView(
        indicator=name,
        label=indicator.label,
        unit=indicator.unit,
        before=before,
        after=after,
        difference=None if before is None or after is None else round(after - before, 1),
        movements=[
            MovementView(step=m.step, cause=m.cause, amount=m.amount, entities=m.entities)
            for m in change.movements
        ],
        of=[change_view(each, catalogue, part) for each, part in change.of.items()],
    )


def public_view(rows: Sequence[Any], as_of: date, threshold: int) -> PublicView:
    """`rows`: organisation_id, name and the four categories of each region, none of them null."""
    table = suppress([row[2:] for row in rows], threshold)
    total = table.pop() if table else [0] * len(_COLUMNS)
    return PublicView(
        as_of=as_of,
        threshold=threshold,
        regions=[
            PublicRegion(organisation_id=row[0], name=row[1], **dict(zip(_COLUMNS, cells, strict=True)))
            for row, cells in zip(rows, table, strict=True)
        ],
        total=PublicTotal(**dict(zip(_COLUMNS, total, strict=True))),
    )


def _name(organisation: Organisation) -> OrganisationName:
    return OrganisationName(
        organisation_id=organisation.organisation_id,
        code=organisation.code,
        name=organisation.name,
        kind=organisation.kind,
    )


def _under(cells: Cells, prefix: str) -> dict[str, int]:
    return {cell.removeprefix(prefix): value for cell, value in cells.items() if cell.startswith(prefix)}


def _percent(part: int, whole: int | None) -> float | None:
    value = figure(Decimal(100 * part) / whole, "percent") if whole else None
    return None if value is None else float(value)


def _share(part: Decimal | None, whole: Decimal | None) -> float | None:
    return None if part is None or not whole else float(figure(100 * part / whole, "percent") or 0)
