# ruff: noqa: SIM905, E501 - lists of words read better as words
"""What offices write above their columns and in them: headings, categories, dates."""

import random
from collections.abc import Callable
from datetime import date

HEADINGS: dict[str, list[str]] = {
    "full_name": "Ф.И.О.;Фамилия, имя, отчество;ФИО члена Профсоюза;Фамилия Имя Отчество (полностью);Член профсоюза (ФИО);"
    "Ф. И. О. работника;Full name;Сотрудник;Фамилия, имя, отчество (при наличии)".split(";"),
    "last": "Фамилия;Фамилия члена Профсоюза;ФАМИЛИЯ;Surname;Last name;Фам.".split(";"),
    "first": "Имя;ИМЯ;First name;Имя (полностью)".split(";"),
    "patronymic": "Отчество;Отчество (при наличии);Отч.;Middle name;ОТЧЕСТВО".split(";"),
    "first_patronymic": "Имя, отчество;Имя Отчество;Имя и отчество;И.О.".split(";"),
    "birth": "Дата рождения;Число, месяц, год рождения;Д/р;Год рождения (полная дата);Родился(ась);День рождения;"
    "Date of birth;Дата рожд.;Дата, месяц и год рождения".split(";"),
    "sex": "Пол;Пол (м/ж);Sex;Gender".split(";"),
    "phone": "Телефон;Моб. тел.;Контактный телефон;Сотовый;Тел. для связи;№ телефона".split(";"),
    "email": "E-mail;Электронная почта;Эл. почта;email;Адрес эл. почты".split(";"),
    "organisation": "Организация;Место работы (учёбы);Образовательная организация;Наименование ППО;Первичка;Учреждение;"
    "Первичная профсоюзная организация;Школа/сад;Работодатель".split(";"),
    "category": "Категория;Статус;Социальное положение;Категория членства;Вид занятости;Кем числится в Профсоюзе".split(
        ";"
    ),
    "card": "№ профбилета;Номер билета;Профсоюзный билет №;Членский билет;№ ЭПБ;Профбилет".split(";"),
    "joined": "Дата вступления;В Профсоюзе с;Принят в Профсоюз;Дата постановки на учёт;Член Профсоюза с;"
    "Когда вступил в профсоюз".split(";"),
}
USELESS: dict[str, Callable[[random.Random], object]] = {
    "Должность": lambda dice: dice.choice(["учитель", "воспитатель", "повар", "директор", "студент 2 курса"]),
    "СНИЛС": lambda dice: f"{dice.randrange(10**9):09}-{dice.randrange(100):02}",
    "Домашний адрес": lambda dice: f"ул. Мира, д. {dice.randrange(90)}",
    "Стаж работы": lambda dice: dice.randrange(40),
    "Примечание": lambda dice: dice.choice(["", "", "", "в отпуске", "перевод"]),
    "Образование": lambda dice: dice.choice(["высшее", "среднее"]),
    "Дата выдачи билета": lambda dice: f"{dice.randint(1, 28):02}.0{dice.randint(1, 9)}.2019",
    "Уплата взносов": lambda dice: dice.choice(["1%", "безнал"]),
}
CATEGORIES = {
    "working": [
        "работающий",
        "Работник",
        "работающая",
        "педагог",
        "сотрудник",
        "раб.",
        "Работающий член Профсоюза",
        "штатный",
    ],
    "student": ["студент", "обучающийся", "Студентка", "учащийся", "студ.", "обуч-ся"],
    "pensioner": [
        "неработающий пенсионер",
        "пенсионер",
        "Пенсионер (не работает)",
        "ветеран на пенсии",
        "неработ. пенсионер",
    ],
}
_MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()
_SHORT = "янв фев мар апр мая июн июл авг сен окт ноя дек".split()
Shown = Callable[[date], object]
DATES: list[Shown] = [
    lambda d: f"{d:%d.%m.%Y}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d:%d.%m.%Y} г.",
    lambda d: f"{d:%d/%m/%Y}",
    lambda d: f"{d:%d-%m-%Y}",
    lambda d: f" {d:%d.%m.%Y}\u00a0",
    lambda d: f"{d:%d,%m,%Y}",
    lambda d: d.isoformat(),
    lambda d: f"{d.isoformat()} 00:00:00",
    lambda d: f"{d.day} {_MONTHS[d.month - 1]} {d.year} года",
    lambda d: f"{d.day:02} {_SHORT[d.month - 1]}. {d.year}",
    lambda d: f"{d:%Y/%m/%d}",
    lambda d: f"{d:%d%m%Y}",
]
NATIVE: list[Shown] = [lambda d: d, lambda d: (d - date(1899, 12, 30)).days]
AMERICAN: Shown = lambda d: f"{d:%m/%d/%Y}"  # noqa: E731 - one of a family of lambdas
SHORT: Shown = lambda d: f"{d:%d.%m.%y}"  # noqa: E731
