"""Why a row is not taken, in sentences for the office: what is wrong, and what to do."""

from dataclasses import dataclass
from datetime import date

from registry.importing.dates import DateReading
from registry.importing.names import PersonName
from registry.importing.outcomes import DuplicateReason, RejectReason, RowRef
from registry.importing.values import Category

# The union takes members from this age (its rules), counted on the day of the registers.
LEAST_AGE = 14
GREATEST_AGE = 110
# Beyond this age «31» may as well be a slip of this century: only a pensioner's two figures are believed.
GREATEST_AGE_OF_TWO_FIGURES = 85


@dataclass(frozen=True, slots=True)
class Objection:
    """A reason to reject: the stable code, what is wrong, what to do."""

    reason: RejectReason
    problem_ru: str
    advice_ru: str


def name_objection(name: PersonName) -> Objection | None:
    """Against a row that names nobody in particular."""
    if not name.missing:
        return None
    if not name.last and not name.first:
        said, advice = "Не указаны фамилия, имя и отчество", "впишите их полностью"
    elif name.has_initials and name.first:
        said, advice = f"Вместо имени инициалы: «{name.shown}»", "впишите имя и отчество полностью"
    elif not name.first:
        said, advice = f"Указана только фамилия: «{name.last}»", "впишите имя и отчество"
    else:
        said, advice = f"Не указана фамилия: «{name.shown}»", "впишите фамилию"
    return Objection("name_missing", said, advice)


def birth_date_objection(
    birth: DateReading, written: str, category: Category | None, as_of: date
) -> Objection | None:
    """Against a birth date that is absent, unreadable, impossible, or of a person too young to join."""
    written = written[:40]
    if birth.value is None:
        said, advice = {
            "missing": ("Дата рождения не указана", "впишите её по паспорту в виде ДД.ММ.ГГГГ"),
            "nonexistent": (f"Дата рождения «{written}» не существует", "уточните по паспорту"),
            "incomplete": (
                f"Дата рождения «{written}» неполная",
                "впишите день, месяц и год в виде ДД.ММ.ГГГГ",
            ),
            "unreadable": (f"Дата рождения «{written}» не читается", "впишите её в виде ДД.ММ.ГГГГ"),
        }[birth.problem or "unreadable"]
        return Objection("birth_date_unreadable", said, advice)
    shown = f"{birth.value:%d.%m.%Y}"
    if birth.value > as_of:
        return Objection(
            "birth_date_impossible", f"Дата рождения {shown} ещё не наступила", "уточните год по паспорту"
        )
    age = age_on(birth.value, as_of)
    if age > GREATEST_AGE:
        return Objection(
            "birth_date_impossible",
            f"По дате рождения {shown} возраст больше {GREATEST_AGE} лет",
            "уточните год",
        )
    if birth.two_digit_year and age > GREATEST_AGE_OF_TWO_FIGURES and category != "pensioner":
        return Objection(
            "birth_date_impossible",
            f"Год в дате рождения «{written}» записан двумя цифрами, и век не ясен",
            "впишите год четырьмя цифрами",
        )
    if age < LEAST_AGE:
        return Objection(
            "too_young",
            f"По дате рождения {shown} возраст {age} лет, в Профсоюз принимают с {LEAST_AGE}",
            "проверьте дату рождения",
        )
    return None


def age_on(birth: date, day: date) -> int:
    """Full years on that day; one born on 29 February comes of age on 1 March."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def organisation_objection(organisation_id: str | None, written: str) -> Objection | None:
    """Against a row whose organisation is not in the tree, or is not said."""
    if organisation_id is not None:
        return None
    if written:
        said = f"Организация «{written[:120]}» не найдена в реестре организаций"
        return Objection(
            "organisation_unknown", said, "впишите наименование или код первичной организации из реестра"
        )
    return Objection(
        "organisation_unknown",
        "Не указана первичная организация",
        "впишите её наименование или код из реестра",
    )


_DIFFERENCES: dict[DuplicateReason, str] = {
    "same_register_exact": "записан ещё раз",
    "same_register_case": "записан ещё раз другими буквами по размеру или с лишними пробелами",
    "same_register_yo": "записан ещё раз: различие только в буквах «е» и «ё»",
    "same_register_lookalike": "записан ещё раз: вместо русских букв похожие латинские",
    "same_register_swapped": "записан ещё раз: имя и фамилия переставлены",
    "same_register_typo": "записан ещё раз с опечаткой",
    "member_elsewhere": "уже состоит на учёте в другой организации",
}


def duplicate_message(
    reason: DuplicateReason, name: str, ref: RowRef | None, organisation: str | None
) -> tuple[str, str]:
    """What is repeated and where the first record stands; what to do."""
    where = (
        "в базе" if ref is None else f"{ref.file}, {f'лист «{ref.sheet}», ' if ref.sheet else ''}строка {ref.row}"
    )
    if reason == "member_elsewhere":
        said = f"{name}: {_DIFFERENCES[reason]}{f' — «{organisation}»' if organisation else ''} ({where})"
        return said, "оформите перевод (снятие и постановку на учёт) или удалите эту строку"
    return f"{name}: {_DIFFERENCES[reason]} (первая запись: {where})", "проверьте и удалите лишнюю строку"
