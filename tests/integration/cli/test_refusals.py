"""Wrong words, nothing started, half of the settings: a sentence and an exit code, whatever was asked."""

from pathlib import Path

import pytest

from tests.integration.cli.shell import OMSK, Operator
from union import platform

UUID = "0190a8d5-0000-7000-8000-000000000000"
ORGANISATIONS = str(OMSK / "organisations.xlsx")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("fly", "No such command"),
        ("up now", "unexpected extra argument"),
        ("up --fast", "No such option"),
        ("down --all", "No such option"),
        ("status registry", "unexpected extra argument"),
        ("doctor --fix", "No such option"),
        ("token", "Missing option '--role'"),
        ("token --role king", "'king' is not one of"),
        ("token --role member --member nobody", "valid UUID"),
        ("token --role primary_staff --organisation 7", "valid UUID"),
        ("token --role auditor --hours 0", "greater than or equal"),
        ("token --role auditor --hours 9999", "less than or equal"),
        ("token --role auditor --hours soon", "--hours"),
        ("topics --delete", "No such option"),
        ("republish --topic none.v1", "There is no topic none.v1"),
        ("republish --service bank", "There is no service bank; choose one of registry"),
        ("parked fly", "No such command"),
        ("parked list --service bank", "There is no service bank"),
        ("parked show", "Missing argument"),
        ("parked show cards", "Missing argument"),
        ("parked show cards first", "valid integer"),
        ("parked show bank 1", "There is no service bank"),
        ("parked retry --service bank", "There is no service bank"),
        ("parked discard bank 1 --reason x", "There is no service bank"),
        ("import organisations", "Missing argument"),
        ("import organisations none.xlsx", "does not exist"),
        ("import organisations .", "is a directory"),
        ("import members", "Missing argument"),
        ("import members none.xlsx", "does not exist"),
        (f"import members {ORGANISATIONS} --as-of 31.12.2021", "does not match the format"),
        (f"import organisations {ORGANISATIONS} --as-of 2021-02-30", "does not match the format"),
        ("migrate --service bank", "There is no service bank"),
        ("migrate --write words", "Say whose migration it is"),
        ("ledger verify --database-url", "requires an argument"),
        ("ledger verify --key none.pem", "does not exist"),
        ("ledger verify --key pyproject.toml --database-url x", "holds no Ed25519 key"),
        ("ledger checkpoint --database-url nonsense", "postgresql+asyncpg://"),
        ("ledger checkpoint --database-url postgresql://a:b@127.0.0.1/c", "postgresql+asyncpg://"),
        ("card verify --jwks none.json", "Give either the text"),
        ("card verify text --jwks none.json", "An input cannot be read"),
        ("card verify text", "Give either --jwks"),
        ("demo --source none", "has no organisations.xlsx"),
        ("demo --seed much", "--seed"),
    ],
)
def test_wrong_words_are_refused_with_a_sentence(newcomer: Operator, arguments: str, told: str) -> None:
    refused = newcomer.union(*arguments.split())
    assert (refused.code, told in refused.told) == (2, True), refused.told
    assert not newcomer.folder.exists(), "a refusal starts and writes nothing"


NEEDS_SETTINGS = [
    "republish --dry-run",
    "topics --create",
    "parked list",
    "parked show cards 1",
    "parked retry",
    "parked discard reports 1 --reason x",
    "migrate",
    "card expire",
    "ledger verify",
    "ledger expire",
    f"import organisations {ORGANISATIONS}",
    f"import members {OMSK / 'members' / 'T02.csv'}",
]


@pytest.mark.parametrize("arguments", NEEDS_SETTINGS)
def test_with_nothing_started_the_missing_settings_are_named(newcomer: Operator, arguments: str) -> None:
    refused = newcomer.union(*arguments.split())
    assert (refused.code, "DATABASE_URL" in refused.told) == (2, True), refused.told
    assert "union up" in refused.told or "--database-url" in refused.told


@pytest.mark.parametrize("arguments", NEEDS_SETTINGS)
def test_a_database_that_is_away_is_a_sentence(newcomer: Operator, tmp_path: Path, arguments: str) -> None:
    (tmp_path / "key").write_bytes(bytes(32))
    nowhere = newcomer.ports.postgres
    refused = newcomer.union(
        *arguments.split(),
        UNION_DATABASE_URL=f"postgresql+asyncpg://union:hunter2@127.0.0.1:{nowhere}/union",
        UNION_KAFKA_BOOTSTRAP=f"127.0.0.1:{newcomer.ports.kafka}",
        UNION_JWKS_URL=(tmp_path / "jwks.json").as_uri(),
        UNION_CARD_NUMBER_KEY_FILE=str(tmp_path / "key"),
        UNION_CARD_SIGNING_KEY_FILE=str(tmp_path / "key"),
        UNION_PAIRWISE_KEY_FILE=str(tmp_path / "key"),
    )
    assert refused.code == 2, refused.told
    assert len(refused.err) > 10
    assert "hunter2" not in refused.told


def test_settings_that_are_wrong_are_named_without_their_values(newcomer: Operator) -> None:
    refused = newcomer.union(
        "parked", "list", UNION_DATABASE_URL="postgresql+asyncpg://u:hunter2@h/d", UNION_DATABASE_POOL="hunter2"
    )
    assert refused.code == 2
    assert "set UNION_JWKS_URL" in refused.err
    assert "UNION_DATABASE_POOL is wrong" in refused.err
    assert "hunter2" not in refused.err


def test_with_nothing_started_each_command_says_so_and_where_it_looked(newcomer: Operator) -> None:
    for arguments, code in (("status", 1), ("token --role auditor", 2), ("down", 0), ("down --drop", 0)):
        ended = newcomer.union(*arguments.split())
        assert (ended.code, f"Nothing was started on {newcomer.folder}" in ended.told) == (code, True), ended.told
    examined = newcomer.union("doctor")
    assert examined.code == 1
    assert all(f"{service.name}: settings" in examined.told for service in platform.services())
    assert "disk well" in examined.told
    assert not newcomer.folder.exists()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("UNION_PORT_KAFKA", "many", "UNION_PORT_KAFKA is 'many'"),
        ("UNION_PORT_CARDS", "0", "a port is a number from 1 to 65535"),
        ("UNION_PORT_CARDS", "70000", "a port is a number from 1 to 65535"),
    ],
)
@pytest.mark.parametrize("command", ["up", "status", "doctor", "demo"])
def test_a_port_that_is_none_is_refused(
    newcomer: Operator, command: str, name: str, value: str, told: str
) -> None:
    arguments = ("demo", "--source", str(OMSK)) if command == "demo" else (command,)
    refused = newcomer.union(*arguments, **{name: value})
    assert (refused.code, told in refused.err) == (2, True), refused.told


def test_two_parts_on_one_port_are_refused(newcomer: Operator) -> None:
    port = str(newcomer.ports.cards)
    refused = newcomer.union("up", UNION_PORT_REPORTS=port)
    assert (refused.code, f"UNION_PORT_CARDS and UNION_PORT_REPORTS are both {port}" in refused.err) == (2, True)


@pytest.mark.parametrize("group", ["", "parked", "import", "card", "ledger"])
def test_without_words_the_help_is_shown(newcomer: Operator, group: str) -> None:
    shown = newcomer.union(*group.split())
    assert (shown.code, "Commands" in shown.told) == (2, True)
    assert newcomer.union(*group.split(), "--help").code == 0
