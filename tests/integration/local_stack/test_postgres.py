import io
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from local_stack import DATABASES, LocalStackError, PortBusy, Postgres, free_port
from local_stack.processes import Command, Supervisor, has_ended


async def connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))


async def execute(url: str, statement: str) -> None:
    connection = await connect(url)
    await connection.execute(statement)
    await connection.close()


def logged(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("postgres.log"))


async def count(url: str) -> int:
    connection = await connect(url)
    result: int = await connection.fetchval("SELECT count(*) FROM cards")
    await connection.close()
    return result


@pytest.fixture(scope="module")
def server(scratch: Path) -> Iterator[Postgres]:
    """One running server for the tests that only look at it."""
    server = Postgres(scratch / "shared", free_port(), durable=False)
    server.start()
    server.ensure_databases()
    yield server
    server.stop()


@pytest.fixture
async def cards(postgres: Postgres) -> str:
    """The address of a running database with one committed row."""
    postgres.start()
    postgres.ensure_databases(["cards"])
    await execute(postgres.url("cards"), "CREATE TABLE cards AS SELECT 1 AS id")
    return postgres.url("cards")


async def test_what_is_committed_survives_a_restart_and_a_kill(postgres: Postgres, cards: str) -> None:
    postgres.restart()
    assert await count(cards) == 1
    await execute(cards, "INSERT INTO cards VALUES (2)")
    postgres.kill()
    assert not postgres.is_running()
    assert postgres.start()
    assert await count(cards) == 2


def test_a_second_start_keeps_the_running_server(server: Postgres) -> None:
    assert not server.start()


async def test_other_settings_restart_the_server(postgres: Postgres, data_dir: Path) -> None:
    postgres.start()
    again = Postgres(data_dir, postgres.port, durable=False, settings={"work_mem": "8MB"})
    assert again.start()
    connection = await connect(again.admin_url())
    assert await connection.fetchval("SHOW work_mem") == "8MB"
    await connection.close()


async def test_each_database_belongs_to_a_role_that_enters_no_other(server: Postgres) -> None:
    server.ensure_databases()
    for name in DATABASES:
        await execute(server.url(name), "CREATE EXTENSION ltree; CREATE EXTENSION pg_trgm; CREATE TABLE t()")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connect(server.url("cards").removesuffix("/cards") + "/registry")


async def test_nobody_enters_without_the_password(server: Postgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host="127.0.0.1", port=server.port, user="cards", password="x", database="cards")


async def test_the_demo_keeps_what_is_safe_and_only_tests_do_not(postgres: Postgres, data_dir: Path) -> None:
    for durable, fsync in ((True, "on"), (False, "off")):
        server = Postgres(data_dir, postgres.port, durable=durable)
        server.start()
        connection = await connect(server.admin_url())
        assert await connection.fetchval("SHOW fsync") == fsync
        await connection.close()


async def test_it_listens_on_the_loopback_alone_and_without_a_socket_file(server: Postgres) -> None:
    connection = await connect(server.admin_url())
    assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
    assert await connection.fetchval("SHOW unix_socket_directories") == ""
    assert await connection.fetchval("SHOW max_connections") == "200"
    await connection.close()


def test_the_data_folder_may_lie_deep(data_dir: Path) -> None:
    server = Postgres(data_dir / ("d" * 60) / ("e" * 60), free_port(), durable=False)
    server.start()
    server.stop()


def test_passwords_are_in_one_file_of_its_owner_and_nowhere_else(postgres: Postgres, data_dir: Path) -> None:
    postgres.start()
    postgres.ensure_databases(["cards"])
    secrets = data_dir / "secrets.json"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    password = postgres.url("cards").split(":")[2].split("@")[0].encode()
    assert password in secrets.read_bytes()
    postgres.stop()
    holders = [path for path in data_dir.rglob("*") if path.is_file() and password in path.read_bytes()]
    assert holders == [secrets]


async def test_a_lock_that_names_somebody_elses_process_does_not_stop_the_start(
    postgres: Postgres, data_dir: Path, cards: str
) -> None:
    """As after a restart of the container: the pid in the lock file is another process of the same user."""
    lock = data_dir / "postgres" / "data" / "postmaster.pid"
    text = lock.read_text()
    owner = lock.stat()
    postgres.kill()
    user = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None
    stranger = Supervisor(data_dir).start(Command("stranger", ["sleep", "1000"], user=user))
    lock.write_text(text.replace(text.split("\n")[0], str(stranger.pid), 1))

    postgres.start()

    assert await count(cards) == 1
    assert stranger.is_alive()


async def test_a_server_whose_pid_file_was_lost_is_ended_before_the_next_one_starts(
    postgres: Postgres, data_dir: Path, cards: str
) -> None:
    running = Supervisor(data_dir).find("postgres")
    assert running is not None
    (data_dir / "run" / "postgres.json").unlink()

    moved = Postgres(data_dir, free_port(), durable=False)
    moved.start()

    assert not running.is_alive()
    assert await count(moved.url("cards")) == 1


def test_a_stop_leaves_no_process(postgres: Postgres, data_dir: Path) -> None:
    postgres.start()
    running = Supervisor(data_dir).find("postgres")
    assert running is not None
    process = running.process()
    assert process is not None
    family = [process, *process.children(recursive=True)]
    assert len(family) > 3

    postgres.stop()

    assert all(has_ended(process) for process in family)


def test_a_busy_port_is_told_before_anything_is_made(server: Postgres, tmp_path: Path) -> None:
    other = Postgres(tmp_path / "other", server.port, durable=False)
    with pytest.raises(PortBusy, match="set UNION_PORT_POSTGRES to another port"):
        other.start()
    assert not (tmp_path / "other" / "postgres" / "data").exists()


def test_data_of_another_major_version_is_not_touched(postgres: Postgres, data_dir: Path) -> None:
    (data_dir / "postgres" / "data").mkdir(parents=True)
    (data_dir / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    nobody = pwd.getpwnam("nobody")
    if os.geteuid() == 0:
        os.chown(data_dir / "postgres" / "data", nobody.pw_uid, nobody.pw_gid)
    with pytest.raises(LocalStackError, match="is of PostgreSQL 17, this is 18"):
        postgres.start()


async def test_a_lost_password_is_told(postgres: Postgres, data_dir: Path, cards: str) -> None:
    (data_dir / "secrets.json").unlink()
    with pytest.raises(LocalStackError, match="a password that is lost"):
        postgres.ensure_databases(["cards"])


@pytest.mark.parametrize("name", ["", 'x"; DROP DATABASE cards', "Cards", "1"])
def test_what_is_no_name_of_a_database_is_refused(server: Postgres, name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a database"):
        server.ensure_databases([name])


async def test_no_refused_row_is_quoted_in_the_servers_log(postgres: Postgres, scratch: Path) -> None:
    """DETAIL and STATEMENT lines would carry people's names out of the database."""
    postgres.start()
    postgres.ensure_databases(["registry"])
    url = postgres.url("registry")
    await execute(url, "CREATE TABLE person (name text PRIMARY KEY CHECK (name <> 'Nobody'), sex text NOT NULL)")
    await execute(url, "INSERT INTO person VALUES ('Anna', 'f')")
    connection = await connect(url)
    for name, sex, error in (
        ("Anna", "f", asyncpg.UniqueViolationError),
        ("Nobody", "f", asyncpg.CheckViolationError),
        ("Boris", None, asyncpg.NotNullViolationError),
    ):
        with pytest.raises(error):
            await connection.execute("INSERT INTO person VALUES ($1, $2)", name, sex)
    with pytest.raises(asyncpg.BadCopyFileFormatError):
        await connection.copy_to_table("person", source=io.BytesIO(b"Grigory\n"))
    with pytest.raises(asyncpg.UndefinedColumnError):
        await connection.execute("SELECT age FROM person WHERE name = 'Dora'")
    await connection.close()
    log = logged(scratch)
    assert "violates unique constraint" in log
    for name in ("Anna", "Nobody", "Boris", "Grigory", "Dora"):
        assert name not in log
