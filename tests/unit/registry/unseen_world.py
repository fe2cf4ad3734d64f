# ruff: noqa: SIM905, E501 - lists of words read better as words
"""A region that does not exist, another one for each seed: its organisations, and its people with what must be decided."""

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta

from registry.importing.organisation_index import IndexedOrganisation, OrganisationIndex

AS_OF = date(2024, 1, 1)
_REGIONS = "Костромская Вологодская Калужская Пензенская Рязанская Тверская Курганская Псковская".split()
_TOWNS = "Луч Берёз Красногор Заозёр Полев Верхнереч Каменск Дальнегор Новосель Ключев Мысов Ольхов".split()
_PATRONS = "им. А. С. Пушкина;им. Героя Советского Союза И. П. Котова;имени Ю. А. Гагарина".split(";")
_GARDENS = "Теремок Солнышко Родничок Сказка Ласточка Колобок Улыбка".split()
_MALE = "Ждан Лазар Ерш Кудр Щук Горш Ёлк Шамш Рыб Тюл Зубк Пахом Воробь Савель".split()
_PLAIN = "Бондаренко Гуль Коваль Мельник Ткач Шевчук Петрик Сагайдак Ли Цой".split()
_MEN = "Аркадий Вадим Герман Денис Ефим Захар Илья Лев Макар Назар Семён Тихон Фёдор Эдуард".split()
_WOMEN = "Алёна Варвара Глафира Диана Елена Злата Инна Клавдия Лидия Майя Нонна Софья Таисия Ульяна".split()
_FATHERS = "Аркадь Вадимов Германов Денисов Захаров Львов Макаров Назаров Семёнов Тихонов Фёдоров Эдуардов".split()


@dataclass(frozen=True)
class Someone:
    """A row to be written, and the decision that is right for it. `birth` may be a text that is no date."""

    last: str
    first: str
    patronymic: str
    woman: bool
    birth: date | str
    organisation: str
    category: str
    card: str
    joined: date
    phone: str
    email: str
    outcome: str = "accepted"
    reason: str | None = None
    organisation_text: str | None = None

    @property
    def full(self) -> str:
        return " ".join(part for part in (self.last, self.first, self.patronymic) if part)


@dataclass(frozen=True)
class Region:
    index: OrganisationIndex
    primaries: tuple[str, ...]
    """Ids that people belong to."""
    names: dict[str, str]
    spellings: dict[str, list[str]]
    districts: dict[str, str]
    """Primary → the name of the organisation above it."""


def region(dice: random.Random) -> Region:
    of = dice.choice(_REGIONS)
    made = [IndexedOrganisation("region", f"{of} областная организация Профсоюза", "regional", "R")]
    spellings: dict[str, list[str]] = {}
    districts: dict[str, str] = {}
    for t, town in enumerate(dice.sample(_TOWNS, 3), 1):
        above = f"t{t}"
        district = f"{town}ская районная организация Профсоюза"
        made.append(IndexedOrganisation(above, district, "territorial", f"{t:02}", "region"))
        for n, (name, others) in enumerate(_institutions(dice, f"{town}ск"), 1):
            key = f"{above}-{n}"
            made.append(IndexedOrganisation(key, name, "primary", f"{t:02}.{n:03}", above))
            spellings[key] = [name, *others]
            districts[key] = district
    names = {organisation.id: organisation.name for organisation in made}
    return Region(OrganisationIndex(made), tuple(spellings), names, spellings, districts)


def _institutions(dice: random.Random, stem: str) -> list[tuple[str, list[str]]]:
    """The name in the tree, and how offices spell it."""
    school, garden, patron = dice.randint(1, 40), dice.randint(1, 90), dice.choice(_PATRONS)
    flower = dice.choice(_GARDENS)
    return [
        (
            f"ППО МБОУ «{stem}ая СОШ № {school}»",
            [
                f"МБОУ {stem}ая СОШ №{school}",
                f"{stem}ая средняя общеобразовательная школа № {school}",
                f'Муниципальное бюджетное общеобразовательное учреждение "{stem}ая средняя школа №{school}"',
                f"ППО МБОУ {stem.upper()}АЯ СОШ N {school}".replace("Ё", "Е"),
                f"первичная профсоюзная организация МБОУ „{stem}ая СОШ № {school}“",
            ],
        ),
        (
            f"ППО МАОУ «{stem}ий лицей № {school + 1}»",
            [
                f"МАОУ {stem}ий лицей №{school + 1}",
                f"Лицей №{school + 1} ({stem}ий)",
                f"{stem}ий лицей N{school + 1}",
            ],
        ),
        (
            f"ППО МДОУ «{stem}ий детский сад № {garden} «{flower}»",
            [
                f"МДОУ {stem}ий д/с № {garden} «{flower}»",
                f'{stem}ий детский сад №{garden} "{flower}"',
                f"МДОУ «{stem}ий детсад № {garden} {flower}»",
            ],
        ),
        (
            f"ППО МБОУ «{stem}ая гимназия {patron}»",
            [f"МБОУ {stem}ая гимназия {patron}", f"{stem}ая гимназия {patron}"],
        ),
        (
            f"ППО МБУ ДО «{stem}ая ДЮСШ»",
            [f"МБУ ДО {stem}ая ДЮСШ", f"{stem}ая детско-юношеская спортивная школа"],
        ),
    ]


def people(dice: random.Random, count: int, organisations: list[str]) -> list[Someone]:
    """Different people: no two have one birth date."""
    days = dice.sample(range(18_000), count)
    return [_someone(dice, number, day, dice.choice(organisations)) for number, day in enumerate(days)]


def _someone(dice: random.Random, number: int, day: int, organisation: str) -> Someone:
    woman = dice.random() < 0.75
    birth = date(1945, 1, 1) + timedelta(days=day)
    last = dice.choice(_PLAIN) if dice.random() < 0.15 else dice.choice(_MALE) + ("ова" if woman else "ов")
    if dice.random() < 0.05 and last.endswith("ова"):
        last = f"{last}-Сергеева"
    father = dice.choice(_FATHERS)
    ending = ("евна" if woman else "евич") if father.endswith("ь") else ("на" if woman else "ич")
    return Someone(
        last=last,
        first=dice.choice(_WOMEN if woman else _MEN),
        patronymic=""
        if dice.random() < 0.03
        else father.removesuffix("ь") + ("ь" if father.endswith("ь") else "") + ending,
        woman=woman,
        birth=birth,
        organisation=organisation,
        category="pensioner" if birth.year < 1958 else dice.choice(("working", "working", "student")),
        card=f"{1_000_000 + number * 7 + dice.randrange(7)}",
        joined=date(max(birth.year + 18, 1970), dice.randint(1, 12), dice.randint(1, 28)),
        phone=f"9{dice.randrange(10**9):09}",
        email=f"p{number}.x@example.org",
    )


_LATIN = str.maketrans("аеорсхАЕОРСТХВМНК", "aeopcxAEOPCTXBMHK")


def with_troubles(dice: random.Random, rows: list[Someone], region: Region) -> list[Someone]:
    """Some rows become what must be refused; after some stands the same person again, or a twin."""
    out: list[Someone] = []
    for row in rows:
        trouble = dice.randrange(26)
        plain = len(row.patronymic) > 0 and "-" not in row.last
        again: list[Someone] = []
        if trouble == 0:
            row = replace(row, birth=dice.choice(("31.04.1977", "30.02.1981", "уточняется", "", "1975")))
            row = replace(row, outcome="rejected", reason="birth_date_unreadable")
        elif trouble == 1:
            birth = date(2026, 4, 3) if dice.random() < 0.5 else date(1890, 4, 3)
            row = replace(row, birth=birth, outcome="rejected", reason="birth_date_impossible")
        elif trouble == 2:
            row = replace(row, birth=date(2015, 1, 1) + timedelta(days=dice.randrange(900)))
            row = replace(row, outcome="rejected", reason="too_young")
        elif trouble == 3:
            row = replace(row, last="", first="", patronymic="", outcome="rejected", reason="name_missing")
        elif trouble == 4:
            missing = f"МКОУ «Забытая ООШ № {dice.randint(100, 200)}»"
            row = replace(row, organisation_text=missing, outcome="rejected", reason="organisation_unknown")
        elif trouble == 5:
            again = [replace(row, outcome="duplicate", reason="same_register_exact")]
        elif trouble == 6 and plain:
            again = [replace(row, last=row.last.upper(), outcome="duplicate", reason="same_register_case")]
        elif trouble == 7 and plain:
            row = replace(row, last="Ёлкова" if row.woman else "Ёлков")
            again = [replace(row, last=row.last.replace("Ё", "Е"), outcome="duplicate", reason="same_register_yo")]
        elif trouble == 8 and plain and row.last.translate(_LATIN) != row.last:
            again = [
                replace(
                    row, last=row.last.translate(_LATIN), outcome="duplicate", reason="same_register_lookalike"
                )
            ]
        elif trouble == 9 and plain and row.last.endswith(("ов", "ова")):
            again = [
                replace(row, last=row.first, first=row.last, outcome="duplicate", reason="same_register_swapped")
            ]
        elif trouble == 10 and plain and len(row.last) > 5:
            typo = row.last[:2] + row.last[3] + row.last[2] + row.last[4:]
            if typo != row.last:
                again = [replace(row, last=typo, outcome="duplicate", reason="same_register_typo")]
        elif trouble == 11 and plain and row.woman:
            row = replace(row, first="Елена")
            again = [replace(row, first="Алёна", card=row.card + "1", phone="9" + row.phone[:0:-1])]
        elif trouble == 12 and plain:
            other = dice.choice([o for o in region.primaries if o != row.organisation])
            again = [replace(row, organisation=other, outcome="duplicate", reason="member_elsewhere")]
        out += [row, *again]
    return out


def reordered(places: list[tuple[str | None, int, Someone]]) -> list[tuple[str | None, int, Someone]]:
    """Of two records of one person in two organisations the one that comes first in the file is the accepted one."""
    out: list[tuple[str | None, int, Someone]] = []
    seen: dict[tuple[str, object, str], int] = {}
    for sheet, row, someone in places:
        key = (someone.full, someone.birth, someone.card)
        if someone.reason == "member_elsewhere" and key not in seen:
            someone = replace(someone, outcome="accepted", reason=None)
        elif someone.outcome == "accepted" and key in seen:
            someone = replace(someone, outcome="duplicate", reason="member_elsewhere")
        if someone.outcome == "accepted":
            seen[key] = row
        out.append((sheet, row, someone))
    return out
