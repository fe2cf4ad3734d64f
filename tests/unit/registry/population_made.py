"""A population with known truth: who is one person written twice, who is a twin, who a namesake."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

WOMEN = (
    "Анна",
    "Елена",
    "Алёна",
    "Мария",
    "Марина",
    "Наталья",
    "Татьяна",
    "Ольга",
    "Ирина",
    "Лидия",
    "Лилия",
    "Софья",
)
MEN = ("Александр", "Сергей", "Иван", "Пётр", "Семён", "Фёдор", "Дмитрий", "Данил", "Артём", "Валерий")
FATHERS = ("Иван", "Петр", "Сергей", "Александр", "Николай", "Алексей", "Андрей", "Федор", "Семен", "Виктор")
ROOTS = (
    "Иван", "Петр", "Сидор", "Кузнец", "Смирн", "Попов", "Волк", "Морозов", "Соловь", "Зайц", "Берёзк", "Королёв",
    "Щербак", "Ершов", "Дроздов", "Преображенск", "Тихомир", "Абрам", "Шевел", "Куприян", "Лаптев", "Жданов", "Рощин",
)  # fmt: skip
ENDINGS = ("ов", "ев", "ин", "енко", "ук")
LOOKALIKES = str.maketrans("АВСЕНКМОРТХаеорсух", "ABCEHKMOPTXaeopcyx")


@dataclass(frozen=True)
class Made:
    """One record; records of one `who` are one person. `habit` says how the second writing differs."""

    who: int
    last: str
    first: str
    patronymic: str | None
    birth: date
    sex: str
    phone: str | None = None
    habit: str = "first"


def people(dice: random.Random, count: int) -> list[Made]:
    """Different persons, with namesakes (another birth date) and twins (another given name) among them."""
    made: list[Made] = []
    while len(made) < count:
        who = len(made)
        draw = dice.random()
        if made and draw < 0.03:
            other = dice.choice(made)
            names = [n for n in (WOMEN if other.sex == "female" else MEN) if n != other.first]
            made.append(
                Made(who, other.last, dice.choice(names), other.patronymic, other.birth, other.sex, other.phone)
            )
        elif made and draw < 0.08:
            other = dice.choice(made)
            made.append(Made(who, other.last, other.first, other.patronymic, _day(dice), other.sex, _phone(dice)))
        else:
            made.append(_person(dice, who))
    return made


def second_writings(dice: random.Random, firsts: list[Made], share: float) -> list[Made]:
    """Some of them once more, each with one habit of offices."""
    chosen = dice.sample(firsts, int(len(firsts) * share))
    return [_written_again(dice, person, HABITS[n % len(HABITS)]) for n, person in enumerate(chosen)]


def _written_again(dice: random.Random, person: Made, habit: "Habit") -> Made:
    last, first, patronymic, birth = habit(dice, person)
    return Made(
        person.who, last, first, patronymic, birth, person.sex, person.phone, habit.__name__.removeprefix("_")
    )


Parts = tuple[str, str, str | None, date]
Habit = Callable[[random.Random, Made], Parts]


def _same(_dice: random.Random, p: Made) -> Parts:
    return p.last, p.first, p.patronymic, p.birth


def _case(_dice: random.Random, p: Made) -> Parts:
    return p.last.upper(), p.first.lower(), (p.patronymic or "").upper() or None, p.birth


def _yo(_dice: random.Random, p: Made) -> Parts:
    return p.last.replace("ё", "е"), p.first.replace("ё", "е"), p.patronymic, p.birth


def _lookalike(_dice: random.Random, p: Made) -> Parts:
    return p.last[:2] + p.last[2:-2].translate(LOOKALIKES) + p.last[-2:], p.first, p.patronymic, p.birth


def _swapped(_dice: random.Random, p: Made) -> Parts:
    return p.first, p.last, p.patronymic, p.birth


def _no_patronymic(_dice: random.Random, p: Made) -> Parts:
    return p.last, p.first, None, p.birth


def _typo_last(dice: random.Random, p: Made) -> Parts:
    return _misprint(dice, p.last), p.first, p.patronymic, p.birth


def _typo_patronymic(dice: random.Random, p: Made) -> Parts:
    return p.last, p.first, _misprint(dice, p.patronymic or "Иванович"), p.birth


def _transposed_first(dice: random.Random, p: Made) -> Parts:
    at = next((i for i in range(1, len(p.first) - 1) if p.first[i] != p.first[i + 1]), 1)
    first = p.first[:at] + p.first[at + 1] + p.first[at] + p.first[at + 2 :]
    return p.last, first, p.patronymic, p.birth


def _day_and_month(_dice: random.Random, p: Made) -> Parts:
    birth = p.birth.replace(month=p.birth.day, day=p.birth.month) if p.birth.day <= 12 else p.birth
    return p.last, p.first, p.patronymic, birth


HABITS: tuple[Habit, ...] = (
    _same, _case, _yo, _lookalike, _swapped, _no_patronymic, _typo_last, _typo_patronymic, _transposed_first,
    _day_and_month,
)  # fmt: skip


def _misprint(dice: random.Random, word: str) -> str:
    at = dice.randrange(1, len(word))
    kind = dice.randrange(3)
    letter = dice.choice("абвгдезиклмнопрстуф")
    if kind == 0:
        return word[:at] + letter + word[at:]
    if kind == 1 and len(word) > 4:
        return word[:at] + word[at + 1 :]
    return word[:at] + (letter if letter != word[at] else "ы") + word[at + 1 :]


def _person(dice: random.Random, who: int) -> Made:
    female = dice.random() < 0.7
    ending = dice.choice(ENDINGS)
    last = dice.choice(ROOTS) + dice.choice(("", "ч", "к", "ш", "н")) + ending
    if female and ending in ("ов", "ев", "ин"):
        last += "а"
    father = dice.choice(FATHERS)
    stem = father[:-1] + "е" if father.endswith("й") else father + "о"
    patronymic = stem + ("вна" if female else "вич")
    first = dice.choice(WOMEN if female else MEN)
    return Made(who, last, first, patronymic, _day(dice), "female" if female else "male", _phone(dice))


def _day(dice: random.Random) -> date:
    return date(1950, 1, 1) + timedelta(days=dice.randrange(50 * 365))


def _phone(dice: random.Random) -> str | None:
    return f"+79{dice.randrange(10**9):09d}" if dice.random() < 0.6 else None
