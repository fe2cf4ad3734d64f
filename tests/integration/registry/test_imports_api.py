"""Registers come in over HTTP: uploaded, checked, committed, rolled back."""

import io
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa

from common.db import Database
from common.events.registry import MemberAdmitted, MemberRetracted
from common.jobs import Running
from tests.integration.registry.uploads import SCHOOL, Work, look, rows, upload


async def test_an_upload_is_checked_first_and_comes_in_when_committed(
    world: Any, work: Work, published: Any, database: Database
) -> None:
    town = world.staff("territorial_staff", world.town)
    made = await upload(world, town)
    assert made["state"] == "checking"
    await work()
    seen = await look(world, made, town)
    assert seen["state"] == "checked"
    assert seen["totals"]["accepted"] == 3
    assert await published(MemberAdmitted) == []
    (file,) = seen["files"]
    columns = {column["field"]: column for column in file["sheets"][0]["columns"]}
    assert (columns["birth_date"]["heading"], columns["birth_date"]["column"]) == ("Дата рождения", "B")
    assert 0.9 <= columns["birth_date"]["confidence"] <= 1
    assert await rows(world, made, town) == [
        (2, "accepted", None, None),
        (3, "accepted", None, None),
        (4, "duplicate", "same_register_exact", 2),
        (5, "rejected", "birth_date_unreadable", None),
        (6, "accepted", None, None),
    ]
    assert await rows(world, made, town, outcome="rejected") == [(5, "rejected", "birth_date_unreadable", None)]

    answer = await world.client.post(f"/v1/imports/{made['import_id']}/commit", headers=town)
    assert (answer.status_code, answer.json()["state"]) == (202, "importing")
    await work()
    seen = await look(world, made, town)
    assert (seen["state"], seen["totals"]["accepted"]) == ("imported", 3)
    job = (await world.client.get(f"/v1/jobs/{seen['job_id']}", headers=town)).json()
    assert (job["state"], job["done"], job["total"]) == ("done", 1, 1)
    assert len(await published(MemberAdmitted)) == 3
    again = await world.client.post(f"/v1/imports/{made['import_id']}/commit", headers=town)
    assert (again.status_code, again.json()["code"]) == (409, "import_not_checked")


async def test_the_annotated_copy_is_given_to_the_office_and_the_reading_is_recorded(
    world: Any, work: Work, database: Database
) -> None:
    town = world.staff("territorial_staff", world.town)
    made = await upload(world, town)
    await work()
    await world.client.post(f"/v1/imports/{made['import_id']}/commit", headers=town)
    await work()
    path = f"/v1/imports/{made['import_id']}/files/1/annotated"
    copy = await world.client.get(path, headers=town)
    assert copy.status_code == 200
    book = openpyxl.load_workbook(io.BytesIO(copy.content))
    page = [[cell.value for cell in row] for row in book.worksheets[1].iter_rows()]
    assert [row[4] for row in page] == ["Итог", "Принят", "Принят", "Повтор", "Отклонён", "Принят"]
    foreign = world.staff("primary_staff", world.university)
    assert (await world.client.get(path, headers=foreign)).status_code == 404
    # the kernel's own route does not give it out
    job = (await look(world, made, town))["job_id"]
    assert (await world.client.get(f"/v1/jobs/{job}/files/annotated-1.xlsx", headers=town)).status_code == 404
    async with database.sessions() as session:
        read = await session.execute(sa.text("select subject, count from access_log where action = 'import_copy'"))
        assert [tuple(row) for row in read] == [("territorial_staff-1", 3)]


async def test_an_upload_sent_again_with_its_key_makes_one_import(world: Any, work: Work) -> None:
    school = {**world.staff("primary_staff", world.school), "Idempotency-Key": "upload-number-1"}
    first, second = await upload(world, school), await upload(world, school)
    assert first == second
    other = await world.client.post(
        "/v1/imports", files=[("files", ("a.csv", b"x"))], data={"as_of": "2021-01-01"}, headers=school
    )
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_a_commit_whose_worker_died_goes_on_with_the_files_that_are_not_in(
    world: Any, work: Work, published: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.commands.importing.GROUP_ROWS", 1)
    town = world.staff("territorial_staff", world.town)
    people = [("Иванова Анна", "1980-02-01"), ("Петрова Вера", "1981-03-02"), ("Серова Нина", "1982-04-03")]
    contents = [f"ФИО;Дата рождения;ППО\n{name} Петровна;{born};{SCHOOL}\n".encode() for name, born in people]
    answer = await world.client.post(
        "/v1/imports",
        files=[("files", (f"{n}.csv", content)) for n, content in enumerate(contents)],
        data={"as_of": "2021-01-01"},
        headers=town,
    )
    await work()
    path = f"/v1/imports/{answer.json()['import_id']}"
    await world.client.post(f"{path}/commit", headers=town)
    holds = 0
    hold = Running.hold

    async def die_at_the_second(self: Running, session: Any) -> None:
        nonlocal holds
        holds += 1
        if holds == 4:  # a group and its annotated copy have been held before
            raise OSError("the network is gone")
        await hold(self, session)

    with monkeypatch.context() as patched:
        patched.setattr(Running, "hold", die_at_the_second)
        await work()
    before = len(await published(MemberAdmitted))
    assert 0 < before < 3
    async with database.sessions.begin() as session:
        await session.execute(
            sa.text("update job set leased_until = now() - interval '1 s' where state = 'running'")
        )
    await work()
    seen = (await world.client.get(path, headers=town)).json()
    assert (seen["state"], seen["totals"]["accepted"]) == ("imported", 3)
    assert [file["status"] for file in seen["files"]] == ["imported"] * 3
    assert len({event.member_id for event in await published(MemberAdmitted)}) == 3
    assert len(await published(MemberAdmitted)) == 3


async def test_what_is_no_register_and_what_is_too_large_is_said_with_a_code(world: Any, work: Work) -> None:
    school = world.staff("primary_staff", world.school)
    made = await upload(world, school, b"\x00" * 100)
    await work()
    (file,) = (await look(world, made, school))["files"]
    assert (file["status"], file["refusal"]) == ("refused", "file_empty")
    many = [("files", (f"{n}.csv", b"x")) for n in range(101)]
    answer = await world.client.post("/v1/imports", files=many, data={"as_of": "2021-01-01"}, headers=school)
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
    huge = [("files", ("a.csv", b"x" * (66 * 2**20)))]
    answer = await world.client.post("/v1/imports", files=huge, data={"as_of": "2021-01-01"}, headers=school)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_an_import_is_rolled_back_and_its_file_may_come_in_again(
    world: Any, work: Work, published: Any
) -> None:
    town = world.staff("territorial_staff", world.town)
    made = await upload(world, town)
    await work()
    path = f"/v1/imports/{made['import_id']}"
    early = await world.client.post(f"{path}/rollback", headers=town)
    assert (early.status_code, early.json()["code"]) == (409, "import_not_committed")
    await world.client.post(f"{path}/commit", headers=town)
    await work()
    admitted = await published(MemberAdmitted)
    kept = admitted[0]
    left = await world.client.post(
        f"/v1/members/{kept.member_id}/leave", json={"effective_on": "2021-03-01"}, headers=world.federal
    )
    assert left.status_code == 200, left.text
    asked = await world.client.post(f"{path}/rollback", headers=town)
    assert (asked.status_code, asked.json()["state"]) == (202, "rolling_back")
    await work()
    seen = await look(world, made, town)
    assert seen["state"] == "rolled_back"
    assert (seen["totals"]["rolled_back_retracted"], seen["totals"]["rolled_back_not_a_member"]) == (2, 1)
    assert len(await rows(world, made, town, rolled_back="not_a_member")) == 1
    retracted = await published(MemberRetracted)
    assert {event.member_id for event in retracted} == {event.member_id for event in admitted} - {kept.member_id}
    assert {(event.status, event.version, event.left_on == event.joined_on) for event in retracted} == {
        ("retracted", 2, True)
    }
    second = await upload(world, town)
    await work()
    await world.client.post(f"/v1/imports/{second['import_id']}/commit", headers=town)
    await work()
    # the one who had left is no member, so the same person joins anew
    assert (await look(world, second, town))["totals"]["accepted"] == 3
