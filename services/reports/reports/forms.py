"""Forms are versioned configuration: YAML files, read and validated once, at start. See docs/forms.md."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from reports.formulas import Formula
from reports.indicators import Catalogue, Configuration, FormulaText, Label, Unit

INDICATORS = "indicators.yaml"
"""Beside the forms: indicators of the operator's own."""

Level = Literal["primary", "territorial", "regional", "federal"]
LEVELS: tuple[Level, ...] = ("primary", "territorial", "regional", "federal")
KINDS_OF_LEVEL: Mapping[Level, tuple[str, ...]] = {
    "primary": ("primary", "primary_with_territorial_rights"),
    "territorial": ("territorial",),
    "regional": ("regional",),
    "federal": ("federal",),
}
"""Which organisations make the reports of a level."""

Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
RowCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,19}$")]
MonthDay = Annotated[str, StringConstraints(pattern=r"^[0-9]{2}-[0-9]{2}$")]
Sign = Literal["=", "<=", ">="]


class Row(Configuration):
    """One row: a formula over the indicators."""

    code: RowCode
    label: Label
    value: FormulaText
    unit: Unit = "count"
    indent: int = Field(default=0, ge=0, le=3)

    @property
    def indicator(self) -> str | None:
        """The one indicator that the row is."""
        return Formula(self.value).name


class Check(Configuration):
    """A cross-check of figures. Where a side is not known there is nothing to compare."""

    code: Code
    label: Label
    left: FormulaText
    sign: Sign
    right: FormulaText
    blocks: bool = False
    """Whether a report that fails it cannot be signed; else it is a warning."""


class Form(Configuration):
    form: Code
    version: int = Field(ge=1)
    level: Level
    title: Label
    as_of: MonthDay
    """The day of the year for which it is made."""
    due: MonthDay
    """The day on or after it by which it is due."""
    parts: bool = False
    """Whether the report lists the organisations directly below with their figures."""
    rows: list[Row] = Field(min_length=1, max_length=200)
    checks: list[Check] = Field(default_factory=list, max_length=100)

    @model_validator(mode="after")
    def _sound(self) -> "Form":
        for codes, what in (([row.code for row in self.rows], "rows"), ([c.code for c in self.checks], "checks")):
            if len(codes) != len(set(codes)):
                raise ValueError(f"two {what} have one code")
        if "02-29" in (self.as_of, self.due):
            raise ValueError("29 February is not in every year")
        for day in (self.as_of, self.due):
            date.fromisoformat(f"2001-{day}")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        return KINDS_OF_LEVEL[self.level]

    def row(self, code: str) -> Row | None:
        return next((row for row in self.rows if row.code == code), None)

    def is_made_as_of(self, day: date) -> bool:
        return f"{day:%m-%d}" == self.as_of

    def last_as_of(self, day: date) -> date:
        """The newest day for which the form is made, up to `day`."""
        this_year = date.fromisoformat(f"{day.year:04d}-{self.as_of}")
        return this_year if this_year <= day else this_year.replace(year=day.year - 1)

    def due_on(self, as_of: date) -> date:
        due = date.fromisoformat(f"{as_of.year:04d}-{self.due}")
        return due if due >= as_of else due.replace(year=due.year + 1)


class FormBook:
    """All forms in all their versions. Raises FormsInvalid with the file's name when one is not sound."""

    def __init__(self, forms: Iterable[Form], catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._forms: dict[tuple[str, int], Form] = {}
        for form in forms:
            if (form.form, form.version) in self._forms:
                raise FormsInvalid(f"two files hold version {form.version} of the form {form.form}")
            for formula in (
                *(row.value for row in form.rows),
                *(side for check in form.checks for side in (check.left, check.right)),
            ):
                catalogue.check(formula)
            self._forms[form.form, form.version] = form

    @classmethod
    def read(cls, folder: Path, catalogue: Catalogue) -> "FormBook":
        """The folder's forms over `catalogue` and the indicators that the folder may add."""
        own = folder / INDICATORS
        if own.exists():
            try:
                catalogue = catalogue.extended(yaml.safe_load(own.read_text("utf-8")))
            except (ValidationError, ValueError, yaml.YAMLError) as error:
                raise FormsInvalid(f"{own.name}: {error}") from None
        files = sorted(file for file in folder.glob("*.yaml") if file != own)
        if not files:
            raise FormsInvalid(f"there is no form in {folder}")
        forms = []
        for file in files:
            try:
                form = Form.model_validate(yaml.safe_load(file.read_text("utf-8")))
                cls([form], catalogue)
            except (ValidationError, ValueError, yaml.YAMLError) as error:
                raise FormsInvalid(f"{file.name}: {error}") from None
            forms.append(form)
        return cls(forms, catalogue)

    @property
    def newest(self) -> dict[str, Form]:
        """The version in use of each form, by code."""
        return {code: self._forms[code, version] for code, version in sorted(self._forms)}

    def get(self, code: str, version: int) -> Form | None:
        return self._forms.get((code, version))


class FormsInvalid(Exception):
    """A form's file cannot be used; the service does not start."""
