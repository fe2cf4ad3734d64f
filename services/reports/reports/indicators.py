"""The catalogue of indicators: what can be counted, declared in indicators.yaml, compiled to SQL aggregates."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy as sa
import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, model_validator

from common.events.registry import Category, InstitutionType, Kind, MemberStatus, Sex
from reports.formulas import Columns, Expression, Formula, FormulaInvalid

NOT_GIVEN = "none"


class Configuration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Label(Configuration):
    ru: str
    en: str


def _formula(text: str) -> str:
    try:
        Formula(text)
    except FormulaInvalid as error:
        raise ValueError(str(error)) from None
    return text


FormulaText = Annotated[str, AfterValidator(_formula)]
Unit = Literal["count", "percent"]
Figure = int | float | None
"""What a row says: a count, a percentage with one digit, or null where the base does not know."""
DIGITS: Mapping[Unit, int] = {"count": 0, "percent": 1}
"""Decimal places of a figure by its unit."""

_listed = BeforeValidator(lambda value: value if isinstance(value, list) else [value])
WithinYear = Literal["within_year"]


class MemberFilter(Configuration):
    status: Annotated[list[MemberStatus], _listed] | None = None
    category: Annotated[list[Category | Literal["none"]], _listed] | None = None
    sex: Annotated[list[Sex | Literal["none"]], _listed] | None = None
    age_from: int | None = None
    age_below: int | None = None
    joined: WithinYear | None = None
    ended: WithinYear | None = None

    def sql(self, member: Columns, as_of: date) -> Expression:
        """True of the states that meet the filter on the day. Age is the one reached in the year that ends then."""
        year_before, born = _year_before(as_of), _last_full_year(as_of) - member["birth_year"]
        terms = [_any_of(member[name], getattr(self, name)) for name in ("status", "category", "sex")]
        if self.age_from is not None:
            terms.append(born >= self.age_from)
        if self.age_below is not None:
            terms.append(born < self.age_below)
        for column, wanted in (("joined_on", self.joined), ("left_on", self.ended)):
            if wanted:
                terms.append(sa.and_(member[column] > year_before, member[column] <= as_of))
        return sa.and_(sa.true(), *terms)


class OrganisationFilter(Configuration):
    status: Annotated[list[Literal["active", "closed"]], _listed] | None = None
    kind: Annotated[list[Kind], _listed] | None = None
    institution_type: Annotated[list[InstitutionType | Literal["none"]], _listed] | None = None

    def sql(self, organisation: Columns) -> Expression:
        names = ("status", "kind", "institution_type")
        return sa.and_(sa.true(), *(_any_of(organisation[name], getattr(self, name)) for name in names))


class MemberCount(Configuration):
    count: Literal["members"]
    where: MemberFilter
    label: Label
    unit: Literal["count"] = "count"


class OrganisationCount(Configuration):
    count: Literal["organisations"]
    where: OrganisationFilter
    label: Label
    unit: Literal["count"] = "count"


class HeadCount(Configuration):
    sum: Literal["employed", "students"]
    where: OrganisationFilter
    label: Label
    unit: Literal["count"] = "count"


class Derived(Configuration):
    formula: FormulaText
    label: Label
    unit: Unit


Indicator = MemberCount | OrganisationCount | HeadCount | Derived


class Catalogue(Configuration):
    """All indicators by name, in the order of declaration; a derived one knows those above it only."""

    indicators: dict[str, Indicator]

    @model_validator(mode="after")
    def _derived_of_known(self) -> "Catalogue":
        known: set[str] = set()
        for name, indicator in self.indicators.items():
            if not name.isidentifier():
                raise ValueError(f"{name!r} cannot be the name of an indicator")
            if isinstance(indicator, Derived):
                self.check(indicator.formula, known)
            known.add(name)
        return self

    def check(self, formula: str, known: set[str] | None = None) -> None:
        """Raises ValueError when the formula names what is not there."""
        unknown = Formula(formula).names - (set(self.indicators) if known is None else known)
        if unknown:
            raise ValueError(f"the formula {formula!r} names unknown indicators: {', '.join(sorted(unknown))}")

    def of_members(self, member: Columns, as_of: date) -> dict[str, Expression]:
        """Aggregates over members' states, one for each indicator that counts members."""
        return {
            name: sa.func.count().filter(indicator.where.sql(member, as_of))
            for name, indicator in self.indicators.items()
            if isinstance(indicator, MemberCount)
        }

    def of_organisations(self, organisation: Columns) -> dict[str, Expression]:
        """Aggregates over organisations' states: counts and head counts."""
        found: dict[str, Expression] = {}
        for name, indicator in self.indicators.items():
            if isinstance(indicator, OrganisationCount):
                found[name] = sa.func.count().filter(indicator.where.sql(organisation))
            elif isinstance(indicator, HeadCount):
                found[name] = sa.func.sum(organisation[indicator.sum]).filter(indicator.where.sql(organisation))
        return found

    def derive(self, counted: Mapping[str, Expression]) -> dict[str, Expression]:
        """Every indicator as an expression over those that were counted, in the order of declaration."""
        values: dict[str, Expression] = {}
        for name, indicator in self.indicators.items():
            values[name] = (
                Formula(indicator.formula).sql(values) if isinstance(indicator, Derived) else counted[name]
            )
        return values


@cache
def catalogue() -> Catalogue:
    """The packaged catalogue. Raises when it is not sound."""
    declared: Any = yaml.safe_load((Path(__file__).parent / "indicators.yaml").read_text("utf-8"))
    return TypeAdapter(Catalogue).validate_python({"indicators": declared})


def rounded(value: Expression, unit: Unit) -> Expression:
    return sa.func.round(sa.cast(value, sa.Numeric), DIGITS[unit])


def _any_of(column: Expression, wanted: list[str] | None) -> Expression:
    if wanted is None:
        return sa.true()
    given = [value for value in wanted if value != NOT_GIVEN]
    found: Expression = column.in_(given) if given else sa.false()
    return sa.or_(found, column.is_(None)) if NOT_GIVEN in wanted else found


def _year_before(day: date) -> date:
    """The same day a year before; of 29 February, the 28th."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def _last_full_year(day: date) -> int:
    """On 1 January the year just ended: all its birthdays have been."""
    return day.year - 1 if (day.month, day.day) == (1, 1) else day.year
