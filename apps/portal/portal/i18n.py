"""Two languages. Each text is written once, in both: (Russian, English); a key without one cannot be written."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal

from markupsafe import Markup, escape

from portal.texts import TEXTS

Language = Literal["ru", "en"]
LANGUAGES: tuple[Language, ...] = ("ru", "en")
_PLACES = {"ru": 0, "en": 1}
_MONTHS = (
    ("января", "January"), ("февраля", "February"), ("марта", "March"), ("апреля", "April"), ("мая", "May"),
    ("июня", "June"), ("июля", "July"), ("августа", "August"), ("сентября", "September"), ("октября", "October"),
    ("ноября", "November"), ("декабря", "December"),
)  # fmt: skip
_SPACE = "\N{NO-BREAK SPACE}"
MOSCOW = timezone(timedelta(hours=3), "МСК")
"""Where a region's own zone is not known."""


class Translator:
    """`t(key, name=…)`: the sentence in one language. Values are escaped, the texts' own marks are not."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._place = _PLACES[language]

    def __call__(self, key: str, **values: Any) -> Markup:
        """Raises KeyError for a key that is not written: a test walks over all that the pages use."""
        text = TEXTS[key][self._place]
        return Markup(text.format(**{name: escape(value) for name, value in values.items()}) if values else text)  # noqa: S704

    def has(self, key: str) -> bool:
        return key in TEXTS

    def plural(self, key: str, count: int, **values: Any) -> Markup:
        """The form for `count` of a text with forms: «год|года|лет», «year|years»."""
        forms = TEXTS[key][self._place].split("|")
        if self.language == "ru":
            form = forms[0 if count % 10 == 1 and count % 100 != 11 else 1 if _few(count) else 2]
        else:
            form = forms[0 if count == 1 else 1]
        return escape(f"{self.number(count)}{_SPACE}{form.format(**values)}")

    def number(self, value: float) -> str:
        text = f"{value:,}"
        return text.replace(",", _SPACE).replace(".", ",") if self.language == "ru" else text

    def money(self, kopecks: int | None) -> str:
        """`12 345,67 ₽`; kopecks only where there are any."""
        if kopecks is None:
            return "—"
        sign, (roubles, rest) = "\N{MINUS SIGN}" if kopecks < 0 else "", divmod(abs(kopecks), 100)
        text = self.number(roubles)
        if rest:
            text += ("," if self.language == "ru" else ".") + f"{rest:02d}"
        return f"{sign}{text}{_SPACE}₽"

    def percent(self, basis_points: int) -> str:
        text = f"{basis_points / 100:g}"
        return (text.replace(".", ",") + _SPACE if self.language == "ru" else text) + "%"

    def day(self, value: date | str | None) -> str:
        """`5 января 2026`; also of an ISO text."""
        if not value:
            return "—"
        if isinstance(value, str):
            value = _moment(value) if "T" in value else date.fromisoformat(value)
        if isinstance(value, datetime):
            value = value.astimezone(MOSCOW)
        month = _MONTHS[value.month - 1][self._place]
        return f"{value.day}{_SPACE}{month}{_SPACE}{value.year}"

    def until(self, first_without: str) -> str:
        """The last day of something that is over on `first_without`."""
        return self.day(date.fromisoformat(first_without) - timedelta(days=1))

    def moment(self, value: str | None) -> str:
        if not value:
            return "—"
        local = _moment(value).astimezone(MOSCOW)
        return f"{self.day(local)}, {local:%H:%M}"


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _few(count: int) -> bool:
    return count % 10 in (2, 3, 4) and count % 100 not in (12, 13, 14)


def chosen(cookie: str | None, accepted: str) -> Language:
    """The language of the cookie; else the browser's first that we have; else Russian."""
    for language in LANGUAGES:
        if cookie == language:
            return language
    for part in accepted.lower().split(","):
        code = part.split(";")[0].strip()[:2]
        for language in LANGUAGES:
            if code == language:
                return language
    return "ru"
