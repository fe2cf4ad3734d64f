"""Forms and formulas that are not sound are refused at start, with the place."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from reports.config import ReportsSettings
from reports.errors import FormUnknown, NotADayOfTheForm
from reports.forms import Form, FormBook, FormsInvalid
from reports.formulas import Formula, FormulaInvalid
from reports.indicators import Catalogue, catalogue
from reports.rules import forms_to_make

PACKAGED: Path = ReportsSettings.model_fields["report_forms_folder"].default
SOUND: dict[str, Any] = {
    "form": "quick",
    "version": 1,
    "level": "primary",
    "title": {"ru": "Форма", "en": "Form"},
    "as_of": "01-01",
    "due": "01-05",
    "rows": [{"code": "1", "label": {"ru": "Члены", "en": "Members"}, "value": "members"}],
}
CHECK: dict[str, Any] = {
    "code": "women",
    "label": {"ru": "Женщин не больше", "en": "No more women"},
    "left": "women",
    "sign": "<=",
    "right": "members",
}


@pytest.fixture
def packaged() -> FormBook:
    return FormBook.read(PACKAGED, catalogue())


def test_the_packaged_forms_are_sound_and_have_the_rows_of_the_paper_report(packaged: FormBook) -> None:
    assert {code: form.level for code, form in packaged.newest.items()} == {
        "primary_yearly": "primary",
        "territorial_summary": "territorial",
        "regional_summary": "regional",
    }
    for form in packaged.newest.values():
        values = {row.value for row in form.rows}
        assert values >= {"members", "youth", "women", "coverage_working", "coverage_students"}
        assert values >= {"joined", "left", "expelled"}
        assert values >= {"pedagogical", "transferred_in", "transferred_out", "committee_members", "audit_members"}
        assert values >= {"chairs_women", "chairs_youth", "chairs_released", "employed", "students"}
        assert {check.code for check in form.checks} >= {"categories", "women", "coverage", "students"}


def test_a_primary_report_is_as_of_1_january_and_due_by_5_january(packaged: FormBook) -> None:
    form = packaged.newest["primary_yearly"]
    assert form.is_made_as_of(date(2021, 1, 1))
    assert not form.is_made_as_of(date(2021, 1, 5))
    assert form.due_on(date(2021, 1, 1)) == date(2021, 1, 5)


def test_a_due_day_before_the_day_of_the_form_is_in_the_next_year() -> None:
    form = Form.model_validate({**SOUND, "as_of": "12-31", "due": "01-10"})
    assert form.due_on(date(2020, 12, 31)) == date(2021, 1, 10)


def test_a_run_makes_the_newest_versions_that_belong_to_the_day() -> None:
    forms = [
        Form.model_validate({**SOUND, **changed})
        for changed in ({}, {"version": 2}, {"form": "summer", "as_of": "07-01", "due": "07-02"})
    ]
    book = FormBook(forms, catalogue())
    assert [(f.form, f.version) for f in forms_to_make(book, None, date(2021, 1, 1))] == [("quick", 2)]
    assert [f.form for f in forms_to_make(book, "summer", date(2021, 7, 1))] == ["summer"]
    with pytest.raises(NotADayOfTheForm):
        forms_to_make(book, "summer", date(2021, 1, 1))
    with pytest.raises(FormUnknown):
        forms_to_make(book, "winter", date(2021, 1, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": "galactic"},
        {"as_of": "02-29"},
        {"due": "13-01"},
        {"rows": []},
        {"rows": [*SOUND["rows"], *SOUND["rows"]]},
        {"rows": [{**SOUND["rows"][0], "value": "membres"}]},
        {"rows": [{**SOUND["rows"][0], "value": "members +"}]},
        {"rows": [{**SOUND["rows"][0], "declared": True}]},
        {"checks": [{**CHECK, "left": "membres"}]},
        {"checks": [{**CHECK, "sign": "!="}]},
        {"checks": [CHECK, CHECK]},
        {"rows": [{"code": "1", "label": {"ru": "Члены", "en": "Members"}}]},
        {"titel": "a slip"},
    ],
)
def test_a_form_that_is_not_sound_stops_the_start_with_its_file(tmp_path: Path, wrong: dict[str, Any]) -> None:
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump({**SOUND, **wrong}), "utf-8")
    with pytest.raises(FormsInvalid, match=r"quick\.yaml"):
        FormBook.read(tmp_path, catalogue())


def test_two_files_with_one_version_and_a_folder_without_forms_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(FormsInvalid):
        FormBook.read(tmp_path, catalogue())
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(SOUND), "utf-8")
    with pytest.raises(FormsInvalid, match="two files"):
        FormBook.read(tmp_path, catalogue())


def test_a_derived_indicator_may_name_only_those_above_it() -> None:
    counted = {"count": "members", "where": {}, "label": {"ru": "а", "en": "a"}}
    derived = {"formula": "b * 2", "unit": "count", "label": {"ru": "в", "en": "c"}}
    Catalogue.model_validate({"indicators": {"b": counted, "c": derived}})
    with pytest.raises(ValueError, match="unknown indicators: b"):
        Catalogue.model_validate({"indicators": {"c": derived, "b": counted}})


@pytest.mark.parametrize(
    "text",
    [
        *("", "a b", "a +", "a ** 2", "a // b", "a % b", "a < b", "a if b else c", "not a", "a.b", "a[0]", "'a'"),
        *("f(a)", "percent(a)", "percent(a, b, c)", "percent(a, whole=b)", "percent(*a, b)", "lambda: 1", "True"),
        *("__import__('os')", "(a := 1)", "[a]", "1e999", "(" * 200 + "a" + ")" * 200, "1j", "a" * 301),
    ],
)
def test_what_is_not_arithmetic_over_names_is_no_formula(text: str) -> None:
    with pytest.raises(FormulaInvalid):
        Formula(text)


def test_a_formula_knows_its_names() -> None:
    assert Formula("percent(a + b, c) - 2.5 * -(d / e)").names == {"a", "b", "c", "d", "e"}
