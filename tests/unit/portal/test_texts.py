"""Two languages: every text that a page uses is written, in both, and no text is there that none uses."""

import re
from pathlib import Path

import portal
from portal.i18n import Translator, chosen
from portal.pages import static_files
from portal.texts import TEXTS

HOME = Path(portal.__file__).parent
USED = re.compile(r"""\bt(?:\.plural)?\(\s*['"]([\w.]+)['"]\s*(~)?""")
BY_NAME = re.compile(r"""['"]([a-z_]+(?:\.[\w]+)+)['"]""")


def sources() -> str:
    files = [*HOME.glob("*.py"), *(HOME / "templates").rglob("*.html")]
    return "\n".join(file.read_text() for file in files)


def test_every_text_is_in_both_languages() -> None:
    bare = [key for key, (russian, english) in TEXTS.items() if not english.strip() or not russian.strip()]
    # It tells readers of English that the binding text is Russian: Russians read that text itself.
    assert bare == ["consent.russian_only"]


def test_both_languages_take_the_same_values() -> None:
    marks = re.compile(r"{(\w+)}")
    assert [key for key, pair in TEXTS.items() if len({frozenset(marks.findall(text)) for text in pair}) > 1] == []


def test_every_key_that_a_page_names_is_written() -> None:
    missing = set()
    for key, joined in USED.findall(sources()):
        known = any(text.startswith(key) for text in TEXTS) if joined else key in TEXTS
        if not known:
            missing.add(key)
    assert missing == set()


def test_no_text_is_left_over() -> None:
    text = sources()
    whole = set(BY_NAME.findall(text))
    stems = set(re.findall(r"""['"]([\w.]+\.)['"]\s*~""", text))
    stems |= set(re.findall(r"""f['"]([a-z_.]+\.)\{""", text))
    ends = ("error.", "field.")
    left = {key for key in TEXTS if key not in whole and not key.startswith((*stems, *ends))}
    assert left == set()


def test_numbers_and_days_are_written_as_people_do() -> None:
    russian, english = Translator("ru"), Translator("en")
    assert russian.money(123_456_705) == "1 234 567,05 ₽".replace(" ", "\xa0")
    assert english.money(-5000) == "−50\xa0₽"
    assert russian.day("2026-01-05") == "5\xa0января\xa02026"
    assert english.day("2026-01-04T22:30:00Z") == "5\xa0January\xa02026"
    forms = [(1, "год"), (2, "года"), (5, "лет"), (11, "лет"), (21, "год"), (112, "лет")]
    for count, form in forms:
        assert str(russian.plural("common.years", count)) == f"{count}\xa0{form}"


def test_the_browsers_language_is_taken_and_russian_is_the_first() -> None:
    assert chosen(None, "") == "ru"
    assert chosen(None, "de-DE,de;q=0.9,en;q=0.8,ru;q=0.1") == "en"
    assert chosen("ru", "en-GB") == "ru"
    assert chosen("klingon", "fr") == "ru"


def test_values_cannot_bring_marks_of_their_own() -> None:
    assert str(Translator("ru")("me.hello", name="<script>")) == "Здравствуйте, &lt;script&gt;!"


def test_no_page_or_script_names_a_foreign_host() -> None:
    address = re.compile(r"""https?://(?!www\.w3\.org/)[\w.-]+|//[a-z0-9-]+\.(?:com|org|net|io|ru)\b""")
    texts = {path.name: path.read_text() for path in (HOME / "templates").rglob("*.html")}
    texts |= {name: body.decode() for name, body in static_files().items() if not name.endswith(".png")}
    texts.pop("htmx.js")
    assert {name: address.findall(text) for name, text in texts.items() if address.findall(text)} == {}
