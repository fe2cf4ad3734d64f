"""Forms are versioned configuration: YAML files, read and validated once, at start."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from reports.indicators import Catalogue, Configuration, FormulaText, Label, Unit

Level = Literal["primary", "territorial", "regional", "federal"]
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


class Row(Configuration):
    """One row: either counted by a formula over the indicators, or declared by people and null until then."""

    code: RowCode
    label: Label
    value: FormulaText | None = None
    declared: bool = False
    unit: Unit = "count"
    indent: int = Field(default=0, ge=0, le=3)

    @model_validator(mode="after")
    def _counted_or_declared(self) -> "Row":
        if self.declared == (self.value is not None):
            raise ValueError(f"row {self.code} needs either a value or declared: true")
        return self


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

    @model_validator(mode="after")
    def _sound(self) -> "Form":
        codes = [row.code for row in self.rows]
        if len(codes) != len(set(codes)):
            raise ValueError("two rows have one code")
        if "02-29" in (self.as_of, self.due):
            raise ValueError("29 February is not in every year")
        for day in (self.as_of, self.due):
            date.fromisoformat(f"2001-{day}")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        return KINDS_OF_LEVEL[self.level]

    def is_made_as_of(self, day: date) -> bool:
        return f"{day:%m-%d}" == self.as_of

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
            for row in form.rows:
                if row.value is not None:
                    catalogue.check(row.value)
            self._forms[form.form, form.version] = form

    @classmethod
    def read(cls, folder: Path, catalogue: Catalogue) -> "FormBook":
        files = sorted(folder.glob("*.yaml"))
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
