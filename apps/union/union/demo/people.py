"""Applicants for the demonstration: made up from common parts, the same ones for the same seed."""

import random
from datetime import date, timedelta
from typing import Any

_FEMALE = ("Анна", "Мария", "Елена", "Ольга", "Татьяна", "Наталья", "Ирина", "Светлана", "Дарья", "Алёна")
_MALE = ("Иван", "Пётр", "Сергей", "Алексей", "Дмитрий", "Андрей", "Михаил", "Николай", "Фёдор", "Артём")
_FATHERS = ("Иван", "Пётр", "Сергей", "Алексей", "Дмитри", "Андре", "Михаил", "Никола", "Фёдор", "Артём")
_FAMILIES = (
    *("Заозерский", "Крутогорский", "Златопольский", "Белоглинский", "Черноярский", "Краснодольский"),
    *("Синегорский", "Ветроградский", "Тихоречицкий", "Звонарёвский", "Приозёрский", "Старомостский"),
)


def applicant(dice: random.Random, number: int, category: str, joins_on: date) -> dict[str, Any]:
    """The personal part of an application. `number` keeps applicants apart."""
    female = dice.random() < 0.75
    family = _FAMILIES[number % len(_FAMILIES)]
    father = _FATHERS[(number // len(_FAMILIES)) % len(_FATHERS)]
    ending = ("овна" if female else "ович") if father[-1] not in "ие" else ("евна" if female else "евич")
    if father == "Пётр":
        father = "Петр"
    age = dice.randint(17, 22) if category == "student" else dice.randint(22, 60)
    born = joins_on - timedelta(days=age * 366 + dice.randrange(365))
    return {
        "last_name": family[:-2] + "ая" if female else family,
        "first_name": dice.choice(_FEMALE if female else _MALE),
        "patronymic": father + ending,
        "birth_date": born.isoformat(),
        "sex": "female" if female else "male",
        "phone": f"+79{dice.randrange(10**9):09d}",
        "category": category,
    }
