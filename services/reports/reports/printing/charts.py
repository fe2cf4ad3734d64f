"""The pictures of the cockpit: age and sex, completeness by day, coverage, and a heat table of those below."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

from reports.printing import svg
from reports.printing.words import UNKNOWN, Language, written
from reports.schemas_insight import CockpitView, CompletenessView, HeatCell, PublicView, PyramidBand

Name = Literal["pyramid", "completeness", "coverage", "heat"]

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "ru": {
        "pyramid": "Члены Профсоюза по возрасту и полу",
        "completeness": "Полнота отчётов",
        "coverage": "Охват профсоюзным членством",
        "heat": "Организации рядом",
        "public": "Члены Профсоюза по регионам",
        "women": "женщины",
        "men": "мужчины",
        "not_given": "пол не указан",
        "born": "годы рождения",
        "signed": "подписано",
        "accepted": "принято",
        "expected": "ожидается",
        "due": "срок",
        "working": "Работающие",
        "students": "Обучающиеся",
        "records": "В электронном учёте",
        "cards": "С электронным билетом",
        "reports": "Отчёты приняты",
        "members": "Члены",
        "of": "из",
        "nothing": "Показывать ещё нечего.",
        "suppressed": "скрыто: малая величина",
        "as_of": "на",
        "primary": "первичных",
        "territorial": "территориальных",
        "regional": "региональных",
        "federal": "всей организации",
    },
    "en": {
        "pyramid": "Members by age and sex",
        "completeness": "Completeness of reports",
        "coverage": "Coverage",
        "heat": "Organisations side by side",
        "public": "Members by region",
        "women": "women",
        "men": "men",
        "not_given": "sex not given",
        "born": "years of birth",
        "signed": "signed",
        "accepted": "accepted",
        "expected": "expected",
        "due": "due",
        "working": "Working",
        "students": "Students",
        "records": "In the records",
        "cards": "With a card",
        "reports": "Reports accepted",
        "members": "Members",
        "of": "of",
        "nothing": "There is nothing to show yet.",
        "suppressed": "suppressed: a small figure",
        "as_of": "as of",
        "primary": "primary",
        "territorial": "territorial",
        "regional": "regional",
        "federal": "federal",
    },
}
_PALE, _DARK = (233, 240, 247), (31, 95, 153)


def draw(name: Name, view: CockpitView, language: Language) -> bytes:
    """One picture of the cockpit as SVG."""
    return _CHARTS[name](view, language)


def pyramid(view: CockpitView, language: Language) -> bytes:
    words = _WORDS[language]
    bands = list(reversed(_without_gaps(view.pyramid)))
    top = max((max(band.women, band.men) for band in bands), default=0) or 1
    half, middle, step = 128.0, svg.WIDTH / 2, 17
    marks = [
        svg.text(middle - 34, 14, words["men"], 12, svg.BLUE, "end"),
        svg.text(middle + 34, 14, words["women"], 12, svg.AMBER),
        svg.text(middle, 14, words["born"], 9, svg.MUTED, "middle"),
    ]
    for place, band in enumerate(bands):
        y = 22 + place * step
        born = f"{band.born_from}–{band.born_to % 100:02}"
        marks.append(svg.text(middle, y + 11, born, 10, svg.MUTED, "middle"))
        men, women = band.men / top * half, band.women / top * half
        shown = {side: written(getattr(band, side), "count", language) for side in ("men", "women")}
        marks.append(svg.bar(middle - 34 - men, y, men, 13, svg.BLUE, f"{born}, {words['men']}: {shown['men']}"))
        marks.append(svg.bar(middle + 34, y, women, 13, svg.AMBER, f"{born}, {words['women']}: {shown['women']}"))
        # Beside a short bar, within a long one.
        for amount, side, sign in ((men, "men", -1), (women, "women", 1)):
            inside = amount > half - 36
            x = middle + sign * (34 + amount + (-3 if inside else 3))
            anchor = "start" if (sign < 0) == inside else "end"
            marks.append(svg.text(x, y + 10, shown[side], 9, "#ffffff" if inside else svg.INK, anchor))
    bottom = 22 + len(bands) * step
    unknown = sum(band.sex_not_given for band in bands)
    if unknown:
        bottom += 16
        told = f"{words['not_given']}: {written(unknown, 'count', language)}"
        marks.append(svg.text(10, bottom - 4, told, 11, svg.MUTED))
    return _picture("pyramid", view, language, bottom, marks if bands else [])


def _without_gaps(bands: Sequence[PyramidBand]) -> list[PyramidBand]:
    """Every five years between the oldest and the youngest, also those of which nobody was born."""
    if not bands:
        return []
    known = {band.born_from: band for band in bands}
    empty = {"women": 0, "men": 0, "sex_not_given": 0}
    return [
        known.get(born) or PyramidBand(born_from=born, born_to=born + 4, **empty)
        for born in range(min(known), max(known) + 1, 5)
    ]


def completeness(view: CockpitView, language: Language) -> bytes:
    """For each form: how many were signed and accepted by each day, beside how many are expected."""
    marks: list[str] = []
    y = 0.0
    for form in view.reports:
        marks += _trend(form, y, language)
        y += 152
    return _picture("completeness", view, language, y, marks)


def _trend(form: CompletenessView, y: float, language: Language) -> list[str]:
    words, left, right, top, bottom = _WORDS[language], 14.0, svg.WIDTH - 14.0, y + 36, y + 122
    days = [form.as_of, form.due_on, *(each.day for each in form.trend)]
    first, last = min(days), max(max(days), min(days) + timedelta(days=1))

    def across(day: date) -> float:
        return left + (day - first).days / (last - first).days * (right - left)

    def up(count: int) -> float:
        return bottom - min(count / max(form.expected, 1), 1) * (bottom - top)

    def count(value: int) -> str:
        return written(value, "count", language)

    told = f"{words['signed']} {count(form.signed)}, {words['accepted']} {count(form.accepted)}"
    marks = [
        svg.text(left, y + 16, f"{words[form.level]}: {words['expected']} {count(form.expected)}", 12),
        svg.text(left, y + 30, told, 11, svg.MUTED),
        svg.line(left, top, right, top, svg.MUTED, dashed=True),
        svg.line(left, bottom, right, bottom, svg.MUTED),
        svg.line(across(form.due_on), top, across(form.due_on), bottom, svg.GREY, dashed=True),
        svg.text(left, bottom + 13, f"{first:%d.%m.%y}", 10, svg.MUTED),
        svg.text(right, bottom + 13, f"{last:%d.%m.%y}", 10, svg.MUTED, "end"),
    ]
    at_due = across(form.due_on)
    if left + 100 < at_due < right - 100:
        marks.append(svg.text(at_due, bottom + 13, f"{words['due']} {form.due_on:%d.%m}", 10, svg.MUTED, "middle"))
    for step, colour in (("signed", svg.BLUE), ("accepted", svg.GREEN)):
        sum_so_far, points = 0, [(left, up(0))]
        for each in sorted(form.trend, key=lambda each: each.day):
            points.append((across(each.day), up(sum_so_far)))
            sum_so_far += getattr(each, step)
            points.append((across(each.day), up(sum_so_far)))
        marks.append(svg.path([*points, (right, up(sum_so_far))], colour))
        place = right if step == "accepted" else right - 90
        marks.append(svg.text(place, y + 30, f"— {words[step]}", 11, colour, "end"))
    return marks


def coverage(view: CockpitView, language: Language) -> bytes:
    words = _WORDS[language]
    accepted, expected = (sum(getattr(form, name) for form in view.reports) for name in ("accepted", "expected"))
    digital = view.digital
    bars = [
        (
            "working",
            view.coverage_working.members,
            view.coverage_working.head_count,
            view.coverage_working.percent,
        ),
        (
            "students",
            view.coverage_students.members,
            view.coverage_students.head_count,
            view.coverage_students.percent,
        ),
        ("records", digital.records, digital.all_members, digital.records_percent),
        ("cards", digital.members_with_card, digital.records, digital.cards_percent),
        ("reports", accepted, expected, round(100 * accepted / expected, 1) if expected else None),
    ]
    marks, width = [], svg.WIDTH - 28.0
    for place, (name, part, whole, percent) in enumerate(bars):
        y = place * 50
        of = f"{written(part, 'count', language)} {words['of']} {written(whole, 'count', language)}"
        shown = UNKNOWN if percent is None else f"{written(percent, 'percent', language)} %"
        marks += [
            svg.text(14, y + 14, words[name], 13),
            svg.text(svg.WIDTH - 14, y + 14, shown, 13, anchor="end"),
            svg.bar(14, y + 20, width, 12, "#e6eaee"),
            svg.bar(14, y + 20, width * min(percent or 0, 100) / 100, 12, svg.BLUE, f"{words[name]}: {of}"),
            svg.text(14, y + 44, of, 10, svg.MUTED),
        ]
    return _picture("coverage", view, language, 50 * len(bars), marks)


_HEAT: tuple[tuple[str, Callable[[HeatCell], float | None]], ...] = (
    ("working", lambda cell: cell.coverage_working_percent),
    ("students", lambda cell: cell.coverage_students_percent),
    ("records", lambda cell: cell.records_percent),
    ("cards", lambda cell: cell.cards_percent),
    ("reports", lambda cell: cell.accepted_percent),
)


def heat(view: CockpitView, language: Language) -> bytes:
    """A line for each organisation directly below, darker where the share is greater; a dash: nobody knows."""
    words, wide, first, marks = _WORDS[language], 46.0, 122.0, []
    for column, (name, _) in enumerate(_HEAT):
        for n, part in enumerate(svg.wrapped(words[name], 9)[:2]):
            short = svg.shortened(part, 9)
            marks.append(svg.text(first + wide * (column + 0.5), 11 + 10 * n, short, 8, svg.MUTED, "middle"))
    for place, child in enumerate(view.children):
        y = 28 + place * 24
        lines = svg.wrapped(child.name, 21)
        shown = [*lines[:1], svg.shortened(" ".join(lines[1:]), 21)] if len(lines) > 1 else lines
        for n, part in enumerate(shown):
            marks.append(svg.text(8, y + (10 if len(shown) > 1 else 15) + 10 * n, svg.shortened(part, 21), 9))
        for column, (name, of) in enumerate(_HEAT):
            value, x = of(child), first + wide * column
            title = f"{child.name}, {words[name]}: {written(value, 'percent', language)}"
            marks.append(svg.bar(x + 1, y + 1, wide - 2, 22, _shade(value), title))
            colour = "#ffffff" if value is not None and value > 55 else svg.INK
            marks.append(svg.text(x + wide / 2, y + 16, written(value, "percent", language), 11, colour, "middle"))
    return _picture("heat", view, language, 28 + 24 * len(view.children), marks if view.children else [])


def _shade(percent: float | None) -> str:
    if percent is None:
        return "#ffffff"
    share = min(max(percent, 0), 100) / 100
    mixed = (round(pale + (dark - pale) * share) for pale, dark in zip(_PALE, _DARK, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def public(view: PublicView, language: Language) -> bytes:
    """Members by region, as they are published: a suppressed figure has no bar, and its length tells nothing."""
    words, marks = _WORDS[language], []
    top = max((region.members or 0 for region in view.regions), default=0) or 1
    for place, region in enumerate(view.regions):
        y = place * 40
        shown = words["suppressed"] if region.members is None else written(region.members, "count", language)
        marks += [
            svg.text(14, y + 14, svg.shortened(region.name, 44), 12),
            svg.bar(14, y + 19, 250 * (region.members or 0) / top, 14, svg.BLUE, f"{region.name}: {shown}"),
            svg.text(18 + 250 * (region.members or 0) / top, y + 30, shown, 11, svg.MUTED),
        ]
    height = 40 * len(view.regions)
    nothing = [svg.text(14, 20, words["nothing"], 12, svg.MUTED)]
    day = f"{words['as_of']} {view.as_of:%d.%m.%Y}"
    return svg.picture(words["public"], day, language, height or 34, marks or nothing)


def _picture(name: str, view: CockpitView, language: Language, height: float, marks: Sequence[str]) -> bytes:
    words = _WORDS[language]
    shown = f"{words['members']}: {written(view.members, 'count', language)}"
    if name in ("completeness", "heat", "coverage") and view.as_of:
        shown = f"{words['as_of']} {view.as_of:%d.%m.%Y}"
    if not marks:
        marks, height = [svg.text(14, 20, words["nothing"], 12, svg.MUTED)], 34
    return svg.picture(words[name], f"{view.organisation.name}. {shown}", language, height, marks)


_CHARTS: Mapping[Name, Callable[[CockpitView, Language], bytes]] = {
    "pyramid": pyramid,
    "completeness": completeness,
    "coverage": coverage,
    "heat": heat,
}
