"""The catalogue of indicators: what can be counted, declared in indicators.yaml and in the operator's own file."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy as sa
import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, model_validator

from common.events.registry import Category, InstitutionType, Kind, MemberStatus, Office, Sex
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
Kinds = Annotated[list[Kind], _listed]


class MemberFilter(Configuration):
    status: Annotated[list[MemberStatus], _listed] | None = None
    category: Annotated[list[Category | Literal["none"]], _listed] | None = None
    sex: Annotated[list[Sex | Literal["none"]], _listed] | None = None
    pedagogical: bool | None = None
    age_from: int | None = None
    age_below: int | None = None
    joined: WithinYear | None = None
    ended: WithinYear | None = None

    def sql(self, member: Columns, as_of: date) -> Expression:
        """True of the states that meet the filter on the day. Age is the one reached in the year that ends then."""
        terms = [_any_of(member[name], getattr(self, name)) for name in ("status", "category", "sex")]
        if self.pedagogical is not None:
            terms.append(member["pedagogical"].is_(self.pedagogical))
        terms += _aged(member, as_of, self.age_from, self.age_below)
        for column, wanted in (("joined_on", self.joined), ("left_on", self.ended)):
            if wanted:
                terms.append(within_year(member[column], as_of))
        return sa.and_(*_true(terms))


class OrganisationFilter(Configuration):
    status: Annotated[list[Literal["active", "closed"]], _listed] | None = None
    kind: Kinds | None = None
    institution_type: Annotated[list[InstitutionType | Literal["none"]], _listed] | None = None

    def sql(self, organisation: Columns) -> Expression:
        names = ("status", "kind", "institution_type")
        return sa.and_(*_true([_any_of(organisation[name], getattr(self, name)) for name in names]))


class OfficeFilter(Configuration):
    """Of terms in force on the day, at active organisations of the kinds named."""

    office: Annotated[list[Office], _listed]
    kind: Kinds
    sex: Annotated[list[Sex | Literal["none"]], _listed] | None = None
    age_below: int | None = None
    released: bool | None = None

    def sql(self, holder: Columns, as_of: date) -> Expression:
        """`holder`: a term's columns beside sex and birth_year of the one who holds it."""
        terms = [_any_of(holder["office"], list(self.office)), _any_of(holder["sex"], self.sex)]
        terms += _aged(holder, as_of, None, self.age_below)
        if self.released is not None:
            terms.append(holder["released"].is_(self.released))
        return sa.and_(*_true(terms))


class Named(Configuration):
    label: Label
    unit: Literal["count"] = "count"


class MemberCount(Named):
    count: Literal["members"]
    where: MemberFilter


class TransferCount(Named):
    """Transfers that took effect within the year; each counts once where it led to and once where it came from."""

    count: Literal["transfers"]
    direction: Literal["in", "out"]


class OrganisationCount(Named):
    count: Literal["organisations"]
    where: OrganisationFilter


class HeadCount(Named):
    sum: Literal["employed", "students"]
    where: OrganisationFilter
    declarable: bool = False
    """Whether people are asked where the register gives none."""


class OfficeCount(Named):
    count: Literal["offices"]
    where: OfficeFilter
    declarable: bool = False
    """Whether people are asked where the register has no term of the office."""


class DeclaredCount(Named):
    """What only people know: every active organisation of the kinds named is asked."""

    declared: Literal["always"]
    kind: Kinds


class Derived(Configuration):
    formula: FormulaText
    label: Label
    unit: Unit


Indicator = MemberCount | TransferCount | OrganisationCount | HeadCount | OfficeCount | DeclaredCount | Derived


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

    def extended(self, more: Any) -> "Catalogue":
        """With the indicators of an operator's file after these. Raises ValueError when it is not sound."""
        if not isinstance(more, dict) or (twice := set(self.indicators) & set(more)):
            raise ValueError(f"indicators are a mapping of new names; there already: {sorted(twice)}")
        added = TypeAdapter(dict[str, Indicator]).validate_python(more)
        return Catalogue(indicators={**self.indicators, **added})

    def check(self, formula: str, known: set[str] | None = None) -> None:
        """Raises ValueError when the formula names what is not there."""
        unknown = Formula(formula).names - (set(self.indicators) if known is None else known)
        if unknown:
            raise ValueError(f"the formula {formula!r} names unknown indicators: {', '.join(sorted(unknown))}")

    def of(self, *kinds: Any) -> dict[str, Any]:
        """The indicators of these classes by name."""
        return {name: found for name, found in self.indicators.items() if isinstance(found, kinds)}

    @property
    def primitive(self) -> dict[str, Any]:
        """Those that are counted, not derived."""
        return {name: found for name, found in self.indicators.items() if not isinstance(found, Derived)}

    @property
    def declarable(self) -> dict[str, HeadCount | OfficeCount | DeclaredCount]:
        """Those that people may be asked for."""
        return {
            name: found
            for name, found in self.indicators.items()
            if isinstance(found, DeclaredCount)
            or (isinstance(found, HeadCount | OfficeCount) and found.declarable)
        }

    def only(self, name: str) -> "Catalogue":
        """The indicator and those that it is reckoned from: to count no more than is asked for."""
        needed = {name}
        for other, indicator in reversed(self.indicators.items()):
            if other in needed and isinstance(indicator, Derived):
                needed |= Formula(indicator.formula).names
        return Catalogue(indicators={n: found for n, found in self.indicators.items() if n in needed})

    def derive(self, counted: Columns) -> dict[str, Expression]:
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


def within_year(column: Expression, as_of: date) -> Expression:
    """After the same day a year before, up to the day itself."""
    return sa.and_(column > year_before(as_of), column <= as_of)


def year_before(day: date) -> date:
    """The same day a year before; of 29 February, the 28th."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def last_full_year(day: date) -> int:
    """On 1 January the year just ended: all its birthdays have been."""
    return day.year - 1 if (day.month, day.day) == (1, 1) else day.year


def _true(terms: list[Expression]) -> list[Expression]:
    """Without those that hold of everything: they cost time on each of millions of rows."""
    return [term for term in terms if not isinstance(term, sa.True_)] or [sa.true()]


def _aged(person: Columns, as_of: date, age_from: int | None, age_below: int | None) -> list[Expression]:
    terms = []
    if age_from is not None:
        terms.append(person["birth_year"] <= last_full_year(as_of) - age_from)
    if age_below is not None:
        terms.append(person["birth_year"] > last_full_year(as_of) - age_below)
    return terms


def _any_of(column: Expression, wanted: list[Any] | None) -> Expression:
    if wanted is None:
        return sa.true()
    given = [value for value in wanted if value != NOT_GIVEN]
    if NOT_GIVEN not in wanted:
        return column == given[0] if len(given) == 1 else column.in_(given)
    return sa.or_(column.in_(given), column.is_(None)) if given else column.is_(None)
