"""Columns that the import did not understand: the office says what they are."""

from typing import Any

import pytest

from tests.integration.registry.uploads import REGISTER, SCHOOL, Work, look, rows, upload

ODD = (
    "Кто;Когда;Где;Ещё когда\r\n"
    + "".join(
        f"{name};{joined};{SCHOOL};{born}\r\n"
        for name, joined, born in (
            ("Иванова Анна Петровна", "2001", "1980-02-01"),
            ("Петров Олег Ильич", "2002", "1970-03-02"),
        )
    )
).encode()


async def test_a_correction_of_the_columns_is_checked_anew_and_kept_for_the_next_file_of_the_office(
    world: Any, work: Work
) -> None:
    school = world.staff("primary_staff", world.school)
    wrong = '{"columns": {"Когда": "birth_date", "Ещё когда": "joined_on"}}'
    made = await upload(world, school, ODD, mapping=wrong)
    await work()
    assert [row[1] for row in await rows(world, made, school)] == ["rejected", "rejected"]
    path = f"/v1/imports/{made['import_id']}"
    right = {"columns": {"Ещё когда": "birth_date", "Когда": "ignore", "Кто": "full_name", "Где": "organisation"}}
    assert (await world.client.patch(path, json=right, headers=school)).status_code == 428
    version = (await look(world, made, school))["version"]
    changed = await world.client.patch(path, json=right, headers={**school, "If-Match": f'"{version}"'})
    assert (changed.status_code, changed.json()["state"]) == (200, "checking")
    await work()
    assert [row[1] for row in await rows(world, made, school)] == ["accepted", "accepted"]
    seen = await look(world, made, school)
    sure = {column["field"]: column["confidence"] for column in seen["files"][0]["sheets"][0]["columns"]}
    assert sure["birth_date"] == 1.0

    other = ODD.replace("Иванова".encode(), "Серова".encode()).replace("Петров".encode(), "Серов".encode())
    next_one = await upload(world, school, other)
    await work()
    seen = await look(world, next_one, school)
    columns = {column["field"]: column["heading"] for column in seen["files"][0]["sheets"][0]["columns"]}
    assert columns["birth_date"] == "Ещё когда"
    assert seen["totals"]["accepted"] == 2


@pytest.mark.parametrize(
    "document", ["nonsense", "[]", '{"columns": {"A": "salary"}}', '{"column": {}}', '{"columns": []}']
)
async def test_a_mapping_that_is_none_is_refused(world: Any, document: str) -> None:
    answer = await world.client.post(
        "/v1/imports",
        files=[("files", ("a.csv", REGISTER))],
        data={"as_of": "2021-01-01", "mapping": document},
        headers=world.staff("primary_staff", world.school),
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "mapping_invalid")
