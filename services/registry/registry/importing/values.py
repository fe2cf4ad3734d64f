"""Phones, e-mails, categories, sex and card numbers as offices write them."""

import re
from functools import lru_cache
from typing import Literal

from registry.importing.texts import clean, fold

Category = Literal["working", "student", "pensioner"]
Sex = Literal["male", "female"]

_PHONE = re.compile(r"\+?\d(?:[\s\-()./]{0,3}\d){9,14}")
_EMAIL = re.compile(r"[a-z0-9][a-z0-9._%+\-]*@[a-z0-9\-]+(?:\.[a-z0-9\-]+)*\.[a-zрф]{2,}", re.IGNORECASE)
_CARD_JUNK = re.compile(r"^(?:№|n|no|номер|#)[\s.:]*", re.IGNORECASE)

_NUMBERED: dict[str, Category] = {"1": "working", "2": "student", "3": "pensioner"}
_LETTERS: dict[str, Category] = {
    "р": "working", "раб": "working", "т": "working", "w": "working", "e": "working",
    "с": "student", "ст": "student", "о": "student", "об": "student", "у": "student", "уч": "student",
    "s": "student",
    "п": "pensioner", "пен": "pensioner", "нп": "pensioner", "н": "pensioner", "p": "pensioner",
    "нрп": "pensioner", "рп": "working",
}  # fmt: skip
_NOT_WORKING = re.compile(r"не ?раб|не ?труд|без работ|безработ|бывш|на пенсии|на отдых|not work|non ?work|retir")
_PENSIONER = re.compile(r"пенс|ветеран( труда)?|заслуж\w* отдых|pension|senior|retir")
_STUDENT = re.compile(
    r"студ|обуч|учащ|учени|аспир|ординат|курсант|магистрант|бакалав|слушат|stud|learn|pupil|trainee|undergrad"
)
_WORKING = re.compile(
    r"работ|раб\b|рабоч|сотруд|труд|служащ|персонал|педагог|учител|препод|воспит|штат|занят|совмест|кадр|дейст"
    r"|work|employ|staff|teach|active"
)

_MARKS = frozenset(("+", "v", "х", "x", "да", "1", "✓", "✔", "☑", "*", "yes", "y", "true"))
_MALE = re.compile(r"^(?:м|m|муж\w*|male|man|мальчик|юноша|парень|boy|1)$")
_FEMALE = re.compile(r"^(?:ж|f|w|жен\w*|female|woman|девочка|девушка|girl|2|0)$")
_MALE_PATRONYMIC = re.compile(r"(?:ич|оглы|оглу|угли|улы|уулу)$")
_FEMALE_PATRONYMIC = re.compile(r"(?:вна|ична|инична|кызы|кизи|гызы|қызы)$")
_FEMALE_SURNAME = re.compile(r"(?:[оеё]ва|[иы]на|ая|яя)$")
_MALE_SURNAME = re.compile(r"(?:[оеё]в|[иы]н|[иы]й|ой)$")


def read_phone(value: object) -> str | None:
    """The first telephone of the cell as +7XXXXXXXXXX (or + and the digits of another country), or None."""
    match = _PHONE.search(clean(value))
    if match is None:
        return None
    found = match.group()
    digits = re.sub(r"\D", "", found)
    if len(digits) == 11 and digits[0] in "78":
        return f"+7{digits[1:]}"
    if len(digits) == 10 and digits[0] in "3489":
        return f"+7{digits}"
    if found.startswith("+") and 10 <= len(digits) <= 15:
        return f"+{digits}"
    return None


def read_email(value: object) -> str | None:
    """The first e-mail address of the cell in lower case, or None."""
    match = _EMAIL.search(value) if isinstance(value, str) and "@" in value else None
    return match.group().lower() if match else None


@lru_cache(maxsize=4096)
def read_category(value: object) -> Category | None:
    """The member's category; None for nothing or for a word that says none (then the row stays valid).

    A working pensioner is «working»: the category «pensioner» means those who do not work.
    """
    text = re.sub(r"[^\w]+", " ", fold(clean(value))).strip()
    if not text:
        return None
    if text in _LETTERS:
        return _LETTERS[text]
    if (number := re.match(r"^(\d)(?:\s|$)", text)) and text[1:].strip() == "":
        return _NUMBERED.get(number[1])
    if "временно" in text or "декрет" in text:
        return None if _PENSIONER.search(text) else "working"
    not_working = bool(_NOT_WORKING.search(text))
    if _PENSIONER.search(text):
        rest = _PENSIONER.sub(" ", text)
        return "working" if not not_working and _WORKING.search(rest) else "pensioner"
    if not_working:
        return "pensioner" if re.search(r"не ?раб|на отдых|retir|non ?work|not work", text) else None
    if _STUDENT.search(text):
        return "student"
    return "working" if _WORKING.search(text) else None


def is_mark(value: object) -> bool:
    """True for «+», «V», «х», «да», «1» and the like: a tick in a column whose heading is the answer."""
    return fold(clean(value)) in _MARKS


@lru_cache(maxsize=1024)
def read_sex(value: object) -> Sex | None:
    """The sex that the cell itself states, or None."""
    text = fold(clean(value)).strip(" .")
    if _MALE.match(text):
        return "male"
    return "female" if _FEMALE.match(text) else None


def infer_sex(last: str, patronymic: str) -> Sex | None:
    """The sex that the patronymic shows, else the surname's ending, else None."""
    patronymic = patronymic.lower()
    if _MALE_PATRONYMIC.search(patronymic):
        return "male"
    if _FEMALE_PATRONYMIC.search(patronymic):
        return "female"
    last = last.lower()
    if _FEMALE_SURNAME.search(last):
        return "female"
    return "male" if _MALE_SURNAME.search(last) else None


def read_card_number(value: object) -> str | None:
    """The old paper card's number without «№»; None when the cell has no digit."""
    text = _CARD_JUNK.sub("", clean(value))
    return text if any(ch.isdigit() for ch in text) else None
