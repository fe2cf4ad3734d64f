"""The words around the figures, in Russian and English, and how figures are written in each."""

from collections.abc import Mapping
from typing import Literal

from reports.indicators import Figure, Label
from reports.schemas import ReportView, RowView

Language = Literal["ru", "en"]

UNKNOWN = "—"

WORDS: Mapping[Language, Mapping[str, str]] = {
    "ru": {
        "form": "Отчёт",
        "summary": "Свод",
        "as_of": "по состоянию на",
        "code_of_organisation": "код",
        "due": "Срок представления",
        "form_and_version": "Форма {form}, версия {version}; редакция отчёта {revision}",
        "status": "Состояние",
        "number": "№",
        "row_code": "Код строки",
        "row": "Показатель",
        "unit": "Ед. изм.",
        "value": "Значение",
        "code": "Код",
        "organisation": "Организация",
        "total": "Всего по организации",
        "chair": "Председатель организации Профсоюза",
        "compiler": "Ответственный за составление отчёта",
        "signature": "подпись, Ф. И. О.",
        "dated": "«____» ______________ 20____ г.          М. П.",
        "revision": "Редакция",
        "page": "Стр.",
        "of": "из",
        "count": "ед.",
        "percent": "%",
        "unknown": "— нет данных",
        "formed": "проект",
        "returned": "возвращён",
        "reopened": "открыт заново",
        "signed": "подписан",
        "accepted": "принят",
        "locked": "закрыт",
        "federal": "Общероссийский Профсоюз",
        "regional": "Региональная организация",
        "territorial": "Территориальная организация",
        "primary": "Первичная профсоюзная организация",
        "primary_with_territorial_rights": "Первичная профсоюзная организация с правами территориальной",
        "other": "Организация Профсоюза",
    },
    "en": {
        "form": "Report",
        "summary": "Summary",
        "as_of": "as of",
        "code_of_organisation": "code",
        "due": "Due on",
        "form_and_version": "Form {form}, version {version}; revision {revision} of the report",
        "status": "State",
        "number": "No.",
        "row_code": "Row",
        "row": "Figure",
        "unit": "Unit",
        "value": "Value",
        "code": "Code",
        "organisation": "Organisation",
        "total": "The whole organisation",
        "chair": "Chair of the organisation",
        "compiler": "Compiled by",
        "signature": "signature, name",
        "dated": "____ ______________ 20____          Seal",
        "revision": "Revision",
        "page": "Page",
        "of": "of",
        "count": "number",
        "percent": "%",
        "unknown": "— not known",
        "formed": "draft",
        "returned": "returned",
        "reopened": "reopened",
        "signed": "signed",
        "accepted": "accepted",
        "locked": "locked",
        "federal": "National union",
        "regional": "Regional organisation",
        "territorial": "Territorial organisation",
        "primary": "Primary organisation",
        "primary_with_territorial_rights": "Primary organisation with territorial rights",
        "other": "Organisation of the union",
    },
}


def said(label: Label, language: Language) -> str:
    return label.ru if language == "ru" else label.en


def written(value: Figure, unit: str, language: Language) -> str:
    """With thin groups of thousands; one place after the point of a percentage; a dash for what nobody knows."""
    if value is None:
        return UNKNOWN
    text = f"{value:,.1f}" if unit == "percent" else f"{value:,.0f}"
    if language == "en":
        return text
    return text.replace(",", "\N{NO-BREAK SPACE}").replace(".", ",")


def cell(row: RowView, value: Figure, language: Language) -> str:
    """As `written`, but empty where people are asked for the figure and have not told it."""
    return "" if value is None and row.declared else written(value, row.unit, language)


def headings(report: ReportView, language: Language) -> list[str]:
    """The lines over the table: title, day, name, kind and code, due day with the form's version."""
    words, organisation = WORDS[language], report.organisation
    kind = words.get(organisation.kind, words["other"])
    due = f"{words['due']}: {report.due_on:%d.%m.%Y}. " if report.due_on else ""
    version = words["form_and_version"].format(
        form=report.form, version=report.form_version, revision=report.revision
    )
    return [
        said(report.title, language),
        f"{words['as_of']} {report.as_of:%d.%m.%Y}",
        organisation.name,
        f"{kind}, {words['code_of_organisation']} {organisation.code}",
        f"{due}{version}",
    ]
