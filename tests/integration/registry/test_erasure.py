"""One request erases a person everywhere; the act says what was done; a restore does not bring the person back."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from common.db import Database
from common.events.registry import MemberErased, MemberLeft
from registry import keys
from registry.commands.erasure_journal import erasures, journal_line, read_journal, reapply
from registry.config import RegistrySettings
from registry.errors import JournalUnsound
from registry.keys import ErasureKey
from registry.rounds import keep_no_longer
from tests.integration.registry.care import approve, erase, examine, merge, second

PERSON = {
    "last_name": "Преображенская",
    "first_name": "Евпраксия",
    "patronymic": "Дормидонтовна",
    "birth_date": "1977-11-23",
    "phone": "+79137654321",
    "email": "evpraxia@example.org",
}
TYPO = {**PERSON, "last_name": "Преображеннская", "phone": "+79130001122"}
TRACES = ["преображен", "евпракси", "дормидонт", "1977-11-23", "9137654321", "9130001122", "evpraxia"]


@pytest.fixture
def extra_settings(tmp_path: Path) -> dict[str, Any]:
    return {"erasure_key_file": keys.ensure(tmp_path)["UNION_ERASURE_KEY_FILE"]}


@pytest.fixture
def key(settings: RegistrySettings) -> ErasureKey:
    return ErasureKey.load(settings)


async def known_everywhere(world: Any, done: Any, database: Database, settings: Any) -> tuple[str, str]:
    """A member whom every part of the registry knows, with a merged double; words about them in free texts."""
    member = await world.member(world.school, **PERSON)
    other = await world.member(world.other, **TYPO)
    await examine(database, settings)
    await merge(world, member, other, take=["phone"], reason="Преображенская Евпраксия — одна")
    twin = await world.apply(world.university, **PERSON)
    decline = f"/v1/applications/{twin['application_id']}/decline"
    done(await world.client.post(decline, json={"reason": "Преображенская уже состоит"}, headers=world.federal))
    release = {"member_id": member, "to_organisation_id": str(world.university)}
    transfer = done(await world.client.post("/v1/transfers", json=release, headers=world.federal), 201)
    refuse = f"/v1/transfers/{transfer['transfer_id']}/refuse"
    body = {"reason": "Евпраксия Дормидонтовна передумала"}
    done(await world.client.post(refuse, json=body, headers=world.federal))
    why = {**world.staff("primary_staff", world.school), "X-Purpose": "support"}
    done(await world.client.get("/v1/members", headers=why))
    itself = world.issuer.bearer("member", sub="evpraxia-login", member_id=member)
    done(await world.client.get(f"/v1/members/{member}/extract", headers=itself))
    await upload(database, "Преображенская Евпраксия;23.11.1977")
    return member, other


async def upload(database: Database, line: str) -> None:
    """A register that a finished job was given, as the kernel keeps it for some days."""
    async with database.sessions.begin() as session:
        job = await session.scalar(
            sa.text(
                "insert into job (job_id, kind, requested_by, arguments, state, finished_at)"
                " values (gen_random_uuid(), 'import_members', 'x', '{}', 'done', now()) returning job_id"
            )
        )
        await session.execute(
            sa.text(
                "insert into job_file (job_id, name, made, media_type, content)"
                " values (:job, 'register.csv', false, 'text/csv', :content)"
            ),
            {"job": job, "content": line.encode()},
        )


async def everything(database: Database) -> dict[str, str]:
    """Every table's whole content as text, in lower case; bytes that are text are read as such."""
    async with database.sessions() as session:
        tables = await session.scalars(
            sa.text("select table_name from information_schema.tables where table_schema = 'public'")
        )
        found = {}
        for table in set(tables):
            rows = (await session.execute(sa.text(f'select * from "{table}"'))).all()
            found[table] = "\n".join(
                value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                for row in rows
                for value in row
            ).lower()
        return found


def places_of(found: dict[str, str]) -> set[str]:
    return {table for table, text in found.items() if any(trace in text for trace in TRACES)}


async def test_nothing_of_the_person_is_left_anywhere(
    world: Any, done: Any, refused: Any, database: Database, settings: Any, published: Any
) -> None:
    member, other = await known_everywhere(world, done, database, settings)
    neighbour = await world.member(world.school)
    before = places_of(await everything(database))
    assert before >= {"person", "application", "transfer", "access_log", "approval", "job_file"}
    erasure_id = await erase(world, member)
    assert places_of(await everything(database)) == set()
    refused(await world.client.get(f"/v1/members/{member}", headers=world.federal), 404, "not_found")
    done(await world.client.get(f"/v1/members/{neighbour}", headers=world.federal))
    events = await published(MemberErased)
    assert {(str(event.member_id), event.status, tuple(event.consents)) for event in events} == {
        (member, "erased", ()),
        (other, "erased", ()),
    }
    (left,) = await published(MemberLeft)
    mine = next(event for event in events if str(event.member_id) == member)
    assert (str(left.member_id), left.version + 1) == (member, mine.version)
    async with database.sessions() as session:
        readers = set(
            await session.scalars(
                sa.text("select subject from access_log where :member = any(whose)"), {"member": UUID(member)}
            )
        )
        consents = await session.scalar(sa.text("select count(*) from consent where withdrawn_at is null"))
    assert any(reader.startswith("erased-") for reader in readers)
    assert {"primary_staff-1", "federal_staff-1", "federal_staff-2"} <= readers
    assert consents == 2, "the neighbour's own stay"
    act = done(await world.client.get(f"/v1/erasures/{erasure_id}/act", headers=world.federal))
    rows = {removal["place"]: removal["rows"] for removal in act["removals"]}
    assert rows["person"] == 4, "the member's, the double's, the copy for an undo, the second application's"
    assert rows["job_file"] == 1
    assert (act["request_number"], act["requested_by"], act["approved_by"]) == (
        *("17/2026", "federal_staff-1"),
        "federal_staff-2",
    )


async def test_the_act_is_a_document_with_its_log(
    world: Any, done: Any, database: Database, settings: Any
) -> None:
    member, other = await known_everywhere(world, done, database, settings)
    erasure_id = await erase(world, member)
    text = (await world.client.get(f"/v1/erasures/{erasure_id}/act.txt", headers=world.federal)).text
    for said in ("об уничтожении персональных данных", "17/2026", member, other, "federal_staff-2", "person: "):
        assert said in text
    assert text.count("ожидает передачи") == 2
    async with database.sessions.begin() as session:
        await session.execute(
            sa.text(
                "with sent as (delete from outbox returning *) insert into event_history"
                " (id, topic, key, payload, headers, created_at)"
                " select id, topic, key, payload, headers, created_at from sent"
            )
        )
    told = done(await world.client.get(f"/v1/erasures/{erasure_id}/told", headers=world.federal))
    assert {each["member_id"]: each["sent"] for each in told} == {member: True, other: True}
    with pytest.raises(sa.exc.DBAPIError, match="keeps what it has"):
        async with database.sessions.begin() as session:
            await session.execute(sa.text("delete from erasure"))


async def test_an_erasure_needs_a_second_person_above_the_primary(
    world: Any, done: Any, refused: Any, published: Any
) -> None:
    member = await world.member(world.school)
    chair = world.staff("primary_staff", world.school)
    body = {"member_id": member, "request_number": "1", "reason": "Заявление"}
    asked = done(await world.client.post("/v1/erasures", json=body, headers=chair), 201)["approval_id"]
    refused(await approve(world, asked, chair), 403, "second_person_needed")
    refused(await approve(world, asked, second(world, "primary_staff", world.school)), 403, "forbidden")
    assert await published(MemberErased) == []
    done(await approve(world, asked, world.staff("territorial_staff", world.town)))
    refused(await world.client.post("/v1/erasures", json=body, headers=world.federal), 409, "erased_already")
    assert len(await published(MemberErased)) == 1


async def test_a_namesake_of_the_same_birth_date_stays_and_the_act_names_the_record(
    world: Any, done: Any, database: Database
) -> None:
    member = await world.member(world.school, **PERSON)
    receipt = await world.apply(world.other, **PERSON)
    body = {"protocol_number": "7", "effective_on": "2021-02-01", "namesake_confirmed": True}
    path = f"/v1/applications/{receipt['application_id']}/admit"
    namesake = done(await world.client.post(path, json=body, headers=world.federal))["member_id"]
    erasure_id = await erase(world, member)
    act = done(await world.client.get(f"/v1/erasures/{erasure_id}/act", headers=world.federal))
    assert act["similar"] == [namesake]
    shown = done(await world.client.get(f"/v1/members/{namesake}", headers=world.federal))
    assert shown["last_name"] == PERSON["last_name"]


async def test_without_the_erasure_key_nothing_is_begun(
    world: Any, refused: Any, app: Any, settings: RegistrySettings
) -> None:
    member = await world.member(world.school)
    app.state.settings = settings.model_copy(update={"erasure_key_file": None})
    body = {"member_id": member, "request_number": "1", "reason": "Заявление"}
    refused(await world.client.post("/v1/erasures", json=body, headers=world.federal), 503, "erasure_key_missing")


_RESTORED = ("person", "member", "membership", "consent", "application", "transfer")


async def dump(database: Database) -> dict[str, list[dict[str, Any]]]:
    """A backup of the rows of people."""
    async with database.sessions() as session:
        return {
            table: [dict(row) for row in (await session.execute(sa.text(f"select * from {table}"))).mappings()]
            for table in _RESTORED
        }


async def restore(database: Database, backup: dict[str, list[dict[str, Any]]]) -> None:
    """The base as it was before: people's rows of the backup, and no erasure."""
    async with database.sessions.begin() as session:
        await session.execute(sa.text("set local session_replication_role = replica"))
        await session.execute(sa.text("delete from erasure"))
        for table in _RESTORED:
            await session.execute(sa.text(f"delete from {table}"))
        reflected = await (await session.connection()).run_sync(
            lambda connection: {t: sa.Table(t, sa.MetaData(), autoload_with=connection) for t in _RESTORED}
        )
        for table, rows in backup.items():
            if rows:
                await session.execute(reflected[table].insert(), rows)


async def test_after_a_restore_the_journal_erases_again_and_a_return_is_not_blocked(
    world: Any, done: Any, database: Database, key: ErasureKey, published: Any
) -> None:
    member = await world.member(world.school, **PERSON)
    backup = await dump(database)
    await erase(world, member)
    async with database.sessions() as session:
        journal = [journal_line(erasure, key) for erasure in await erasures(session)]
    assert not any(trace in line.lower() for line in journal for trace in TRACES)
    versions = [event.version for event in await published(MemberErased)]

    await restore(database, backup)
    assert "person" in places_of(await everything(database))
    entries = read_journal(journal, key)
    for expected in (True, False):
        async with database.sessions.begin() as session:
            assert [await reapply(session, entry, key, datetime.now(UTC)) for entry in entries] == [expected]
    assert places_of(await everything(database)) == set()
    again = await published(MemberErased)
    assert [event.version for event in again] == [*versions, versions[0]], "never below what others have seen"
    (listed,) = done(await world.client.get("/v1/erasures", headers=world.federal))["items"]
    act = done(await world.client.get(f"/v1/erasures/{listed['erasure_id']}/act", headers=world.federal))
    assert (act["reapplied"], listed["erasure_id"]) == (True, entries[0]["erasure_id"])

    returned = await world.member(world.school, **PERSON)
    async with database.sessions.begin() as session:
        assert [await reapply(session, entry, key, datetime.now(UTC)) for entry in entries] == [False]
    back = done(await world.client.get(f"/v1/members/{returned}", headers=world.federal))
    assert back["last_name"] == PERSON["last_name"]


async def test_a_journal_that_was_changed_or_is_of_another_key_is_refused_whole(
    world: Any, database: Database, key: ErasureKey
) -> None:
    await erase(world, await world.member(world.school))
    async with database.sessions() as session:
        (line,) = [journal_line(erasure, key) for erasure in await erasures(session)]
    changed = json.loads(line) | {"member_ids": [str(world.school)]}
    for bad, judge in ((json.dumps(changed), key), (line, ErasureKey(b"x" * 32)), ("{}", key), ("[]", key)):
        with pytest.raises(JournalUnsound):
            read_journal([line, bad] if judge is key else [bad], judge)
    assert len(read_journal([line, "", line], key)) == 2


async def test_whether_a_person_was_erased_is_told_by_the_keyed_hash_alone(
    world: Any, database: Database, key: ErasureKey
) -> None:
    await erase(world, await world.member(world.school, **PERSON))
    async with database.sessions() as session:
        (row,) = await erasures(session)
    assert row.person_hash == key.person_hash("1977-11-23 дормидонтовна евпраксия преображенская")
    assert row.person_hash != ErasureKey(b"x" * 32).person_hash(
        "1977-11-23 дормидонтовна евпраксия преображенская"
    )


async def test_declined_applicants_are_forgotten_after_their_time(
    world: Any, done: Any, database: Database, settings: RegistrySettings
) -> None:
    declined = await world.apply(world.school, **PERSON)
    waiting = await world.apply(world.school)
    path = f"/v1/applications/{declined['application_id']}/decline"
    done(await world.client.post(path, json={"reason": "Преображенская не работает"}, headers=world.federal))
    for days, left in (
        (settings.applicant_days - 1, {"person", "application"}),
        (settings.applicant_days + 2, set()),
    ):
        async with database.sessions.begin() as session:
            await keep_no_longer(session, datetime.now(UTC) + timedelta(days=days), settings)
        assert places_of(await everything(database)) == left
    code = {"X-Follow-Code": declined["follow_code"]}
    progress = await world.client.get("/v1/public/application", headers=code)
    assert done(progress)["status"] == "declined"
    listed = done(await world.client.get("/v1/applications", headers=world.federal))
    assert [item["application_id"] for item in listed["items"]] == [waiting["application_id"]]
