"""The register of organisations: a workbook in, the tree with parents first and the refused rows out."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Literal

from registry.importing.organisation_index import OrganisationKind
from registry.importing.organisation_names import core, plain
from registry.importing.organisation_tree import (
    RANK,
    InstitutionType,
    OrganisationProblem,
    OrganisationRecord,
    OrganisationRegister,
    in_tree_order,
    with_codes,
)
from registry.importing.reading import Cell, RawRow, filled, read_sheets
from registry.importing.refusals import UnreadableFile
from registry.importing.texts import clean, fold, fold_heading
from registry.importing.vocabulary import TOTALS

_Column = Literal[
    "code", "kind", "name", "short_name", "parent", "institution_type", "employees", "students", "inn"
]

_HEADINGS: tuple[tuple[_Column | None, str], ...] = (
    ("inn", r"\bинн\b|\binn\b|tax"),
    (
        None,
        r"адрес|address|телефон|phone|почт|mail|председател|chair|фио|\bкпп\b|огрн|членов|охват|members|примеч",
    ),
    ("parent", r"вышестоящ|родител|parent|входит|подчин|состоит в|структура выше|куда|upper|superior|головн"),
    ("students", r"обуча|студент|учащ|student|pupil|learner|учеников"),
    (
        "employees",
        r"работающ|работник|сотрудник|персонал|штат|employee|staff|worker|headcount|численност|всего чел",
    ),
    (
        "institution_type",
        r"тип (?:учр|орг|оо|об)|вид (?:учр|оо|об)|institution ?type|тип заведен|^тип оо$|отрасл",
    ),
    ("kind", r"вид|уровень|тип|kind|level|type|статус|ранг|структурн"),
    ("short_name", r"(?:кратк|сокращ|short)"),
    ("name", r"наимен|назван|name|организаци|учрежден|^ппо$|первичн|title"),
    ("code", r"\bкод|code|\bid\b|идентиф|шифр|реестров|уникальн|рег № |учетный"),
)
_ORDINAL = re.compile(r"^(?:№|n|no)?(?: ?п ?п)?$|^№ ?строки$")

_KINDS: tuple[tuple[OrganisationKind, str], ...] = (
    ("union_group", r"профгруп|проф групп|union.?group|^пг$|групорг"),
    ("structural_unit", r"структурн\w* подразд|профбюро|structural|подразделен|факульт|цехов|^сп$"),
    (
        "primary_with_territorial_rights",
        r"прав\w* (?:территор|район|местн)|territorial.?rights|с правами|^пптр?$|ппо с прав",
    ),
    ("primary", r"первич|\bппо\b|primary|^перв|^п$"),
    ("federal", r"федерал|общеросс|централ|federal|national|\bцс\b"),
    ("regional", r"регион|межрегион|област|краев|республик|regional|interregional|^р$|окружн"),
    ("territorial", r"террит|район|город|местн|территор|territorial|district|local|городск|координац|^т$"),
)
_INSTITUTIONS: tuple[tuple[InstitutionType, str], ...] = (
    (
        "supplementary",
        r"доп|дюц|дюсш|ддт|цдт|творчеств|внешкол|кружк|спорт|искусств|музык|supplement|extra|юн",
    ),
    (
        "preschool",
        r"дошк|детск\w* сад|детсад|д с\b|\bд/с|\bдоу\b|ясли|preschool|kindergarten|nursery|црр|мбдоу",
    ),
    ("university", r"вуз|универ|институт|академи|высш|university|higher|во\b"),
    (
        "vocational",
        r"спо|колледж|техник|училищ|проф\w* обр|средн\w* проф|vocational|college|пту|\bпоо?\b|npo|нпо",
    ),
    ("school", r"школ|сош|оош|гимназ|лице|интернат|общеобр|school|\bоу\b|\bоо\b|кадет|нош"),
    ("authority", r"управл|админ|комитет|отдел|департ|министер|орган|authority|мку"),
)


def read_organisations(content: bytes) -> OrganisationRegister:
    """Reads the register of organisations in whatever columns it has.

    Raises UnreadableFile for an unreadable file and, with the code organisations_not_found, for one without a
    column of names and of kinds.
    """
    drafts: list[OrganisationRecord] = []
    problems: list[OrganisationProblem] = []
    found = False
    for sheet in read_sheets(content):
        table = _table(sheet.head)
        if table is None:
            continue
        found = True
        start, columns = table
        for row in islice(sheet, start, None):
            outcome = _read_row(sheet.name, row, columns)
            if isinstance(outcome, OrganisationRecord):
                drafts.append(outcome)
            elif outcome is not None:
                problems.append(outcome)
    if not found:
        raise UnreadableFile("organisations_not_found")
    organisations = in_tree_order(with_codes(drafts, problems), problems)
    problems.sort(key=lambda p: (p.sheet or "", p.row))
    return OrganisationRegister(tuple(organisations), tuple(problems))


def _table(rows: Sequence[RawRow]) -> tuple[int, dict[_Column, int]] | None:
    best: tuple[int, dict[_Column, int]] | None = None
    for index, row in enumerate(rows[:40]):
        columns: dict[_Column, int] = {}
        for column, cell in filled(row):
            text = fold_heading(cell)
            if len(text) > 60 or _ORDINAL.match(text):
                continue
            named = next((name for name, pattern in _HEADINGS if re.search(pattern, text)), None)
            if named and named not in columns:
                columns[named] = column
        if "name" in columns and len(columns) >= 2 and (best is None or len(columns) > len(best[1])):
            best = (index + 1, columns)
    return best


def _read_row(
    sheet: str | None, row: RawRow, columns: dict[_Column, int]
) -> OrganisationRecord | OrganisationProblem | None:
    def cell(name: _Column) -> Cell:
        column = columns.get(name)
        return row.cells[column] if column is not None and column < len(row.cells) else None

    name, kind_text, code = clean(cell("name")), fold_heading(cell("kind")), clean(cell("code"))
    texts = [fold_heading(value) for _, value in filled(row)]
    if not texts or (not code and any(TOTALS.match(text) for text in texts[:2])):
        return None
    if not name:
        if not kind_text and not code:
            return None
        return OrganisationProblem(
            sheet, row.number, "name_missing", "Нет наименования организации — впишите его полностью."
        )
    if len(texts) < 2 or fold_heading(columns and cell("name")) in (
        "наименование",
        "наименование организации",
    ):
        return None
    kind = _kind_of(kind_text) or _kind_of_name(name) if kind_text == "" else _kind_of(kind_text)
    if kind is None:
        said = clean(cell("kind"))
        return OrganisationProblem(
            sheet,
            row.number,
            "kind_unknown",
            f"Вид организации «{said}» не распознан — укажите: региональная, территориальная или первичная."
            if said
            else "Не указан вид организации — укажите: региональная, территориальная или первичная.",
        )
    counts: dict[str, int | None] = {}
    for column in ("employees", "students"):
        text = clean(cell(column)).replace(" ", "")
        digits = re.fullmatch(r"(\d{1,7})(?:[.,]0+)?(?:чел\.?)?", text)
        if text and not digits and re.search(r"\w", text):
            return OrganisationProblem(
                sheet,
                row.number,
                "head_count_unreadable",
                f"Численность «{text}» не читается — впишите целое число.",
            )
        counts[column] = int(digits[1]) if digits else None
    return OrganisationRecord(
        sheet=sheet,
        row=row.number,
        code=code,
        kind=kind,
        name=name,
        parent_code=clean(cell("parent")) or None,
        short_name=clean(cell("short_name")) or None,
        institution_type=_institution_of(fold(clean(cell("institution_type"))), name, kind),
        employees=counts["employees"],
        students=counts["students"],
        inn=clean(cell("inn")) or None,
    )


def _kind_of(text: str) -> OrganisationKind | None:
    return next((kind for kind, pattern in _KINDS if text and re.search(pattern, text)), None)


def _kind_of_name(name: str) -> OrganisationKind | None:
    words = plain(name)
    if core(words) != words and re.search(r"\bппо\b|первич", words):
        return "primary"
    for kind, pattern in (
        ("regional", r"област|краев|республик|регион"),
        ("territorial", r"район|городск|территор"),
        ("primary", r"школ|сош|оош|сад|университет|колледж|лицей|гимназ|дюц|институт"),
    ):
        if re.search(pattern, words):
            return kind  # type: ignore[return-value]
    return None


def _institution_of(said: str, name: str, kind: OrganisationKind) -> InstitutionType | None:
    if said:
        return next((t for t, pattern in _INSTITUTIONS if re.search(pattern, said)), "other")
    if RANK[kind] < 3:
        return None
    return next((t for t, pattern in _INSTITUTIONS if re.search(pattern, core(plain(name)))), None)
