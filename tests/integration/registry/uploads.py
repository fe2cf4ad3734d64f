"""A register of members, sent over HTTP and looked at."""

from collections.abc import Awaitable, Callable
from typing import Any

Work = Callable[[], Awaitable[None]]
SCHOOL = "Берёзовская СОШ № 2"
REGISTER = (
    "ФИО;Дата рождения;Организация;Категория\r\n"
    "Иванова Анна Петровна;01.02.1980;Березовская СОШ №2;работающий\r\n"
    "Петров Олег Ильич;02.03.1970;ППО МБОУ Берёзовская СОШ № 2;пенсионер\r\n"
    "Иванова Анна Петровна;01.02.1980;Березовская СОШ №2;работающий\r\n"
    "Сидорова Мария Львовна;31.02.1980;Березовская СОШ №2;работающий\r\n"
    "Чужая Вера Ильинична;05.05.1985;СОШ № 12;работающий\r\n"
).encode("cp1251")


async def upload(world: Any, headers: dict[str, str], content: bytes = REGISTER, **form: str) -> dict[str, Any]:
    answer = await world.client.post(
        "/v1/imports",
        files=[("files", ("register.csv", content, "text/csv"))],
        data={"as_of": "2021-01-01", **form},
        headers=headers,
    )
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def look(world: Any, made: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    answer = await world.client.get(f"/v1/imports/{made['import_id']}", headers=headers)
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen


async def rows(world: Any, made: dict[str, Any], headers: dict[str, str], **query: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2, **query, **({"cursor": cursor} if cursor else {})}
        answer = await world.client.get(f"/v1/imports/{made['import_id']}/rows", params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [(row["row"], row["outcome"], row["reason"], row["of_row"]) for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
