import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from local_stack import LocalStackError, PortBusy, Ports, ProcessFailed, Stack, free_port, service_programs
from local_stack.processes import answers_ok, has_ended
from local_stack.stack import data_dir_from_env

MakeStack = Callable[..., Stack]
EVERYTHING = ("postgres", "kafka", "cards-worker", "cards-api")


def pids(stack: Stack) -> dict[str, int | None]:
    return {status.name: status.pid for status in stack.status()}


def test_a_second_start_keeps_every_healthy_process(make_stack: MakeStack) -> None:
    stack = make_stack()
    first = stack.start()
    before = pids(stack)
    assert (first.started, first.reused, first.broker_is_new) == (EVERYTHING, (), True)
    assert set(before) == set(EVERYTHING)
    assert all(status.ready for status in stack.status())

    second = make_stack().start()

    assert (second.started, second.reused) == ((), EVERYTHING)
    assert pids(stack) == before


def test_a_stop_leaves_no_process_and_keeps_the_data(make_stack: MakeStack, data_dir: Path) -> None:
    stack = make_stack()
    stack.start()
    processes = [psutil.Process(pid) for pid in pids(stack).values()]
    processes += [child for process in processes for child in process.children(recursive=True)]

    Stack(data_dir, Ports.free()).stop()

    assert all(has_ended(process) for process in processes)
    assert set(pids(stack).values()) == {None}
    assert make_stack().start().started == EVERYTHING
    stack.stop()
    stack.stop()


def test_preparations_run_on_every_start_before_the_programs(make_stack: MakeStack, data_dir: Path) -> None:
    log: list[str] = []
    ports = Ports.free()
    stack = Stack(
        data_dir,
        ports,
        migrate=lambda addresses: log.append(addresses.database_urls["cards"].rpartition("@")[2]),
        provision_topics=lambda addresses: log.append(addresses.kafka_bootstrap),
        databases=["cards"],
        durable=False,
    )
    stack.start()
    stack.start()
    assert log == [f"127.0.0.1:{ports.postgres}/cards", f"127.0.0.1:{ports.kafka}"] * 2


def test_a_new_broker_is_reported_until_the_history_is_published_again(make_stack: MakeStack) -> None:
    stack = make_stack()
    assert stack.start().broker_is_new
    assert stack.start().broker_is_new, "whoever published again may have been interrupted"
    stack.confirm_republished()
    assert not make_stack().start().broker_is_new

    stack.broker.kill()

    again = stack.start()
    assert again.broker_is_new
    # A consumer that lived on would skip what is published again below its old position.
    assert again.started == ("kafka", "cards-worker")
    assert again.reused == ("postgres", "cards-api")


def test_only_what_changed_or_died_or_ails_is_started_anew(make_stack: MakeStack) -> None:
    make_stack().start()
    changed = make_stack(secret="another")
    health = f"http://127.0.0.1:{changed.ports.cards}/health/ready"
    assert changed.start().started == ("cards-worker",)
    changed.supervisor.kill("cards-api")
    assert changed.start().started == ("cards-api",)
    api = changed.supervisor.find("cards-api")
    assert api is not None
    changed.supervisor.send("cards-api", signal.SIGUSR1)  # the stand-in falls ill
    changed.supervisor.wait_ready(api, lambda: not answers_ok(health), timeout=20)
    assert [status.name for status in changed.status() if not status.ready] == ["cards-api"]
    assert changed.start().started == ("cards-api",)


def test_a_program_that_dies_is_told_with_its_log(make_stack: MakeStack) -> None:
    stack = make_stack(words=["die"])
    with pytest.raises(ProcessFailed, match=r"cards-worker died while starting[^$]*line 100"):
        stack.start()
    assert {status.name: status.ready for status in stack.status()}["cards-worker"] is False
    assert make_stack().start().reused == ("postgres", "kafka")


def test_a_busy_port_is_told_before_anything_is_started(make_stack: MakeStack) -> None:
    ports = replace(Ports.free(), cards=free_port())
    holder = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(ports.cards), "--bind", "127.0.0.1"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert holder.stdout is not None
    holder.stdout.readline()  # it says so when it serves
    stack = make_stack(ports=ports)
    with pytest.raises(PortBusy, match=f"Port {ports.cards} for cards-api .*set UNION_PORT_CARDS to"):
        stack.start()
    assert pids(stack) == {}
    holder.kill()
    holder.communicate()


def test_no_secret_is_written_beside_the_keychain(make_stack: MakeStack, data_dir: Path) -> None:
    stack = make_stack(secret="hush-hush")
    stack.start()
    password = stack.postgres.url("cards").split(":")[2].split("@")[0]
    kept = [*data_dir.glob("*.json"), *(data_dir / "run").iterdir(), *(data_dir / "logs").iterdir()]
    assert [path.name for path in kept if password in path.read_text()] == ["secrets.json"]
    assert [path.name for path in kept if "hush-hush" in path.read_text()] == []
    assert password not in repr(stack.addresses())
    assert json.loads((data_dir / "stack.json").read_text())["ports"]["cards"] == stack.ports.cards


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_attached_stack_ends_with_its_parent(make_stack: MakeStack, data_dir: Path, number: int) -> None:
    ports = Ports.free()
    code = (
        "import sys, signal; from pathlib import Path; from local_stack import Ports, Stack\n"
        "ports = Ports(kafka=int(sys.argv[2]), postgres=int(sys.argv[3]))\n"
        "stack = Stack(Path(sys.argv[1]), ports, durable=False)\n"
        "with stack.attached():\n"
        "    stack.start(); print('ready', flush=True); signal.pause()\n"
    )
    arguments = [sys.executable, "-c", code, str(data_dir), str(ports.kafka), str(ports.postgres)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        stack = Stack(data_dir, ports)
        assert None not in pids(stack).values()
        parent.send_signal(number)
        parent.wait(30)
    assert pids(stack) == {"postgres": None, "kafka": None}


def test_a_drop_removes_the_data_and_leaves_what_others_put_there(make_stack: MakeStack, data_dir: Path) -> None:
    stack = make_stack()
    stack.start()
    (data_dir / "notes.txt").write_text("mine")
    stack.drop()
    assert [path.name for path in data_dir.iterdir()] == ["notes.txt"]
    (data_dir / "notes.txt").unlink()
    stack.addresses()
    stack.drop()
    assert not data_dir.exists()


def test_a_drop_touches_no_folder_that_is_not_a_stacks(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    with pytest.raises(LocalStackError, match="nothing was removed"):
        Stack(data_dir, Ports.free()).drop()
    assert (data_dir / "postgres").exists()


def test_the_data_folder_is_set_by_union_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert data_dir_from_env({}) == tmp_path / ".local"
    assert data_dir_from_env({"UNION_DATA": "/var/lib/union"}) == Path("/var/lib/union")


def test_each_service_runs_as_api_and_as_worker_on_its_own_database(data_dir: Path) -> None:
    stack = Stack(data_dir, Ports())
    programs = service_programs(
        stack.addresses(),
        shared_env={"UNION_LOG": "json"},
        service_env={"cards": {"UNION_SECRET_CARDS": "x"}},
    )
    table = {program.name: program for program in programs}
    assert len(table) == 8
    worker = table["cards-worker"]
    assert list(worker.argv) == [sys.executable, "-m", "cards.main", "worker"]
    assert (worker.port, worker.uses_broker, table["cards-api"].uses_broker) == (8102, True, False)
    assert worker.env["UNION_DATABASE_URL"].endswith("@127.0.0.1:5433/cards")
    assert worker.env["UNION_HTTP_PORT"] == "8102"
    assert worker.env["UNION_KAFKA_IDEMPOTENT"] == "false"
    assert (worker.env["UNION_SECRET_CARDS"], worker.env["UNION_LOG"]) == ("x", "json")
    assert "UNION_SECRET_CARDS" not in table["registry-api"].env
