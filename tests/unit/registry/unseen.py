"""Registers that nobody has seen: every seed makes another layout, in another format, with the truth beside."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.unit.registry import unseen_files as files
from tests.unit.registry.unseen_words import AMERICAN, CATEGORIES, DATES, HEADINGS, NATIVE, SHORT, USELESS
from tests.unit.registry.unseen_world import AS_OF, Region, Someone, people, region, reordered, with_troubles

Row = list[object]
Truth = dict[tuple[str | None, int], tuple[str, str | None]]


@dataclass
class Unseen:
    """`truth` by sheet and row."""

    seed: int
    name: str
    content: bytes
    region: Region
    truth: Truth
    traits: list[str] = field(default_factory=list)


def unseen(seed: int) -> Unseen:
    """The register of a seed: the same in every run."""
    return _Office(seed).register()


class _Office:
    """One office with its habits."""

    def __init__(self, seed: int) -> None:
        dice = self.dice = random.Random(seed)
        self.seed = seed
        self.region = region(dice)
        self.kind = dice.choice(["xlsx", "xlsx", "xls", "ods", "csv", "csv", "html"])
        self.place = dice.choice(
            ["column", "column", "column", "code", "sheets", "captions", "title", "merged", "two"]
        )
        if self.place == "sheets" and self.kind in ("csv", "html"):
            self.place = "captions"
        if self.place == "merged" and self.kind not in ("xlsx", "xls"):
            self.place = "column"
        self.names = dice.choice(["one", "one", "three", "two"])
        native = NATIVE if self.kind in ("xlsx", "xls", "ods") else []
        self.birth = dice.choice([*DATES, *native, *native, AMERICAN])
        self.joined = dice.choice([*DATES, *native, SHORT])
        self.fields = self._fields()
        self.headings = {name: self._heading(name) for name in self.fields}
        self.words = {name: dice.sample(words, min(2, len(words))) for name, words in CATEGORIES.items()}
        self.traits = [self.kind, self.place, self.names]
        self.sexes = dice.choice([("м", "ж"), ("муж", "жен"), ("М", "Ж"), ("мужской", "женский")])

    def _fields(self) -> list[str]:
        dice = self.dice
        names = {
            "one": ["full_name"],
            "three": ["last", "first", "patronymic"],
            "two": ["last", "first_patronymic"],
        }
        fields = names[self.names]
        others = [
            "birth",
            *(name for name in ("sex", "phone", "email", "category", "joined") if dice.random() < 0.6),
        ]
        others.append("card")
        if self.place in ("column", "code", "merged", "two"):
            others.append("organisation")
        if self.place == "two":
            others.append("district")
        others += dice.sample(list(USELESS), dice.randrange(4))
        dice.shuffle(others)
        at = dice.randrange(len(others) + 1) if dice.random() < 0.5 else 0
        fields = [*others[:at], *fields, *others[at:]]
        return ["number", *fields] if dice.random() < 0.8 else fields

    def _heading(self, name: str) -> str:
        dice = self.dice
        if name in USELESS:
            return name
        if name == "number":
            return dice.choice(["№ п/п", "№", "п/п", "N п.п."])
        if name == "district":
            return dice.choice(["Район", "Территориальная организация", "Районная организация"])
        if name == "organisation" and self.place == "code":
            return dice.choice(["Код ППО", "Код организации"])
        text = dice.choice(HEADINGS[name])
        habit = dice.randrange(8)
        if habit == 0:
            text = text.upper()
        elif habit == 1 and self.kind != "csv":
            text = text.replace(" ", "\n", 1)
        elif habit == 2:
            text = f" {text}: "
        elif habit == 3:
            text = text.replace(" ", "  ")
        return text

    def register(self) -> Unseen:
        dice = self.dice
        primaries = list(self.region.primaries)
        if self.place == "title":
            primaries = [dice.choice(primaries)]
        elif self.place in ("sheets", "captions", "merged"):
            primaries = dice.sample(primaries, 4)
        rows = with_troubles(dice, people(dice, 60, primaries), self.region)
        rows = [row for row in rows if self._can_say(row, primaries)]
        sheets: dict[str, list[Row]] = {}
        places: list[tuple[str | None, int, Someone]] = []
        merges: dict[str, list[tuple[int, int, int]]] = {}
        if self.place == "sheets":
            for n, primary in enumerate(primaries, 1):
                name = dice.choice([f"{self.region.index.get(primary).code}", f"Лист{n}"])  # type: ignore[union-attr]
                own = [row for row in rows if row.organisation == primary]
                title = None if not name.startswith("Лист") else self.region.spellings[primary][0]
                sheets[name] = self._sheet(name, [(None, own)], places, merges, title)
            # «elsewhere» points to the sheet that comes first
            places = reordered(places)
        else:
            name = dice.choice(["Лист1", "Реестр", "члены ПО", "Sheet1"])
            groups: list[tuple[str | None, list[Someone]]] = [(None, rows)]
            if self.place in ("captions", "merged"):
                groups = [(p, [row for row in rows if row.organisation == p]) for p in primaries]
            title = self.region.spellings[primaries[0]][0] if self.place == "title" else None
            sheets[name] = self._sheet(name, groups, places, merges, title)
            places = reordered(places)
        ending, content = self._write(sheets, merges)
        truth = {
            (None if self.kind in ("csv", "html") else sheet, row): (someone.outcome, someone.reason)
            for sheet, row, someone in places
        }
        name = dice.choice(["Реестр", "Учет_членов", "список 2023", "база", "копия (2)"])
        return Unseen(self.seed, f"{name}.{ending}", content, self.region, truth, self.traits)

    def _can_say(self, row: Someone, primaries: Sequence[str]) -> bool:
        if row.organisation not in primaries:
            return False
        # only a column can name an organisation that is not there
        return row.organisation_text is None or self.place in ("column", "two")

    def _sheet(
        self,
        name: str,
        groups: Sequence[tuple[str | None, list[Someone]]],
        places: list[tuple[str | None, int, Someone]],
        merges: dict[str, list[tuple[int, int, int]]],
        title: str | None,
    ) -> list[Row]:
        dice = self.dice
        table: list[Row] = self._titles(title)
        heading: list[Row] = self._heading_rows()
        table += heading
        if dice.random() < 0.3:
            table.append(list(range(1, len(self.fields) + 1)))
        number = 0
        for primary, rows in groups:
            if primary is not None and self.place == "captions":
                caption = dice.choice(self.region.spellings[primary])
                table.append([f"{dice.choice(['', 'Организация: '])}{caption}"])
            first = len(table)
            for row in rows:
                number += 1
                if dice.random() < 0.03 and self.place != "merged":
                    table.append([])
                if dice.random() < 0.02 and self.place not in ("merged", "captions"):
                    table += [list(line) for line in heading]
                table.append(self._line(row, number))
                places.append((name, len(table), row))
            if primary is not None and self.place == "merged" and len(rows) > 1:
                merges.setdefault(name, []).append((first, len(table) - 1, self.fields.index("organisation")))
            if dice.random() < 0.3 and self.place == "captions":
                table.append(["", f"Итого по организации: {len(rows)}"])
        if dice.random() < 0.7:
            table.append([dice.choice(["Итого", "ВСЕГО:", "Итого членов Профсоюза"]), "", number])
        if dice.random() < 0.6:
            table += [[], ["Председатель ППО", "", "_____________", "Зуева Н. П."], ["М.П."]]
        if dice.random() < 0.3:
            table.append(["Примечание: * данные по состоянию на 01.01.2024"])
        return table

    def _titles(self, title: str | None) -> list[Row]:
        dice = self.dice
        lines: list[Row] = []
        if dice.random() < 0.6:
            lines.append(
                [dice.choice(["Список членов Профсоюза", "РЕЕСТР ЧЛЕНОВ ПРОФСОЮЗА", "Электронный реестр"])]
            )
        if title is not None:
            lines.append([dice.choice([title, f"Организация: {title}", f"Реестр членов {title}"])])
        if dice.random() < 0.4:
            lines.append([dice.choice(["по состоянию на 01.01.2024 г.", "на 1 января 2024 года"])])
        if dice.random() < 0.3:
            lines.append([])
        return lines

    def _heading_rows(self) -> list[Row]:
        dice = self.dice
        captions: Row = [self.headings[name] for name in self.fields]
        if self.names == "three" and dice.random() < 0.3:
            at = self.fields.index("last")
            above: Row = [*captions]
            above[at : at + 3] = ["Член Профсоюза", None, None]
            below: Row = [None] * len(captions)
            below[at : at + 3] = ["Фамилия", "Имя", "Отчество"]
            self.traits.append("two rows of headings")
            return [above, below]
        return [captions]

    def _line(self, row: Someone, number: int) -> Row:
        line = [self._cell(name, row, number) for name in self.fields]
        while line and line[-1] == "" and self.dice.random() < 0.5:
            line.pop()
        return line

    def _cell(self, name: str, row: Someone, number: int) -> object:
        dice = self.dice
        match name:
            case "number":
                return number if dice.random() < 0.9 else f"{number}."
            case "full_name":
                return self._spaced(row.full)
            case "last" | "first" | "patronymic":
                return getattr(row, name)
            case "first_patronymic":
                return f"{row.first} {row.patronymic}".strip()
            case "birth" | "joined":
                day = getattr(row, name)
                if isinstance(day, str):
                    return day
                if day.year < 1900:  # before Excel's first day: a text at most
                    return f"{day:%d.%m.%Y}"
                return (self.birth if name == "birth" else self.joined)(day)
            case "sex":
                return self.sexes[row.woman]
            case "phone":
                digits = row.phone
                return dice.choice(
                    [
                        f"8{digits}",
                        f"+7 ({digits[:3]}) {digits[3:6]}-{digits[6:8]}-{digits[8:]}",
                        int(f"8{digits}"),
                        "",
                    ]
                )
            case "email":
                return row.email if dice.random() < 0.6 else ""
            case "card":
                return dice.choice([row.card, int(row.card), f"№ {row.card}"])
            case "category":
                return dice.choice(self.words[row.category])
            case "district":
                return self.region.districts[row.organisation]
            case "organisation":
                return self._organisation(row)
        return USELESS[name](dice)

    def _spaced(self, text: str) -> str:
        # more spaces are no other spelling, but only between two records of one person does it matter
        return text

    def _organisation(self, row: Someone) -> str:
        if row.organisation_text is not None:
            return row.organisation_text
        if self.place == "code":
            known = self.region.index.get(row.organisation)
            assert known is not None
            return known.code or ""
        if self.place == "merged":
            return self.region.spellings[row.organisation][0]
        text = self.dice.choice(self.region.spellings[row.organisation])
        habit = self.dice.randrange(8)
        return {0: text.replace("ё", "е"), 1: f" {text} ", 2: text.replace(" ", "  ")}.get(habit, text)

    def _write(
        self, sheets: dict[str, list[Row]], merges: dict[str, list[tuple[int, int, int]]]
    ) -> tuple[str, bytes]:
        one = next(iter(sheets.values()))
        match self.kind:
            case "xlsx":
                return "xlsx", files.xlsx(self.dice, sheets, merges)
            case "xls":
                return "xls", files.xls(self.dice, sheets, merges)
            case "ods":
                return "ods", files.ods(self.dice, sheets, merges)
            case "csv":
                return self.dice.choice(["csv", "csv", "txt", "xls"]), files.text(self.dice, one)
        return "xls", files.page(self.dice, one)


__all__ = ["AS_OF", "Unseen", "unseen"]
