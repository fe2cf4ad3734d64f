import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from local_stack import LocalStackError, ProcessFailed
from local_stack.processes import Command, Supervisor, has_ended

MakeCommand = Callable[..., tuple[Command, str]]


def test_a_process_is_ready_when_it_answers_and_gone_when_stopped(
    supervisor: Supervisor, stand_in: MakeCommand
) -> None:
    command, url = stand_in()
    running = supervisor.start(command)
    supervisor.wait_ready(running, url, timeout=20)

    supervisor.stop(command.name)

    assert not psutil.pid_exists(running.pid)
    assert supervisor.names() == []


def test_a_second_start_of_a_living_name_is_refused(supervisor: Supervisor, stand_in: MakeCommand) -> None:
    command, _ = stand_in()
    supervisor.start(command)
    with pytest.raises(LocalStackError, match="stand-in is running already"):
        supervisor.start(command)


def test_a_stale_pid_file_does_no_harm(supervisor: Supervisor, stand_in: MakeCommand, data_dir: Path) -> None:
    """The machine was restarted, and the pid in the file belongs to a process that is none of ours."""
    command, url = stand_in()
    supervisor.start(command)
    supervisor.kill(command.name)
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        entry = {"pid": stranger.pid, "created": 1.0, "fingerprint": "", "stop_signal": 15, "grace": 1.0}
        (data_dir / "run" / "stand-in.json").write_text(json.dumps(entry))

        assert supervisor.find(command.name) is None
        supervisor.stop(command.name)
        supervisor.kill(command.name)
        assert stranger.poll() is None

        supervisor.wait_ready(supervisor.start(command), url, timeout=20)
        stranger.kill()


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', "[]"])
def test_a_pid_file_that_cannot_be_read_names_no_process(
    supervisor: Supervisor, data_dir: Path, text: str
) -> None:
    (data_dir / "run").mkdir(parents=True)
    (data_dir / "run" / "cards-api.json").write_text(text)
    assert supervisor.find("cards-api") is None


def test_a_death_while_starting_is_told_at_once_with_the_end_of_the_log(
    supervisor: Supervisor, stand_in: MakeCommand
) -> None:
    command, url = stand_in("die")
    begun = time.monotonic()
    with pytest.raises(ProcessFailed) as failure:
        supervisor.wait_ready(supervisor.start(command), url, timeout=60)
    assert time.monotonic() - begun < 30
    assert "stand-in died while starting" in str(failure.value)
    assert "line 81\n" in str(failure.value)
    assert "line 80\n" not in str(failure.value)


def test_a_process_that_never_answers_is_told_when_the_time_is_up(
    supervisor: Supervisor, stand_in: MakeCommand
) -> None:
    running = supervisor.start(stand_in()[0])
    with pytest.raises(ProcessFailed, match=r"not ready after 0\.1 s"):
        supervisor.wait_ready(running, lambda: False, timeout=0.1)


def test_who_does_not_end_when_asked_is_killed_with_all_descendants(
    supervisor: Supervisor, stand_in: MakeCommand
) -> None:
    command, url = stand_in("stubborn", "parent", grace=0.2)
    running = supervisor.start(command)
    supervisor.wait_ready(running, url, timeout=20)
    family = [psutil.Process(running.pid), *psutil.Process(running.pid).children()]
    assert len(family) == 2

    supervisor.stop(command.name)

    assert all(has_ended(process) for process in family)


def test_a_frozen_process_can_be_stopped(supervisor: Supervisor, stand_in: MakeCommand) -> None:
    command, url = stand_in()
    running = supervisor.start(command)
    supervisor.wait_ready(running, url, timeout=20)
    supervisor.send(command.name, signal.SIGSTOP)

    begun = time.monotonic()
    supervisor.stop(command.name)

    assert not running.is_alive()
    assert time.monotonic() - begun < command.grace, "it was killed instead of asked"


def test_a_process_survives_its_parent_and_is_found_by_the_next_one(
    supervisor: Supervisor, data_dir: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from local_stack.processes import Command, Supervisor;"
        "print(Supervisor(Path(sys.argv[1])).start(Command('sleeper', ['sleep', '1000'])).pid)"
    )
    parent = subprocess.run([sys.executable, "-c", code, str(data_dir)], capture_output=True, check=True)

    running = supervisor.find("sleeper")

    assert running is not None
    assert running.pid == int(parent.stdout)
    assert os.getsid(running.pid) == running.pid, "a Ctrl-C in the terminal would reach it"
    supervisor.stop("sleeper")
    assert not running.is_alive()


def test_the_fingerprint_changes_with_command_and_environment() -> None:
    command = Command("a", ["x"], {"K": "1"})
    assert command.fingerprint() == Command("a", ["x"], {"K": "1"}).fingerprint()
    assert command.fingerprint() != Command("a", ["x"], {"K": "2"}).fingerprint()
    assert command.fingerprint() != Command("a", ["y"], {"K": "1"}).fingerprint()
    assert "'1'" not in repr(command), "the environment holds secrets"
