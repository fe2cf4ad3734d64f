import os
import signal
import subprocess
import sys

import pytest

from tests.integration.cli.shell import OMSK, Operator, eventually


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "postgres/data.draft/PG_VERSION"),
        (signal.SIGINT, "run/registry-api.json"),
        (signal.SIGTERM, "run/reports-worker.json"),
    ],
)
def test_a_demonstration_that_is_interrupted_while_starting_leaves_no_process(
    newcomer: Operator, number: signal.Signals, moment: str
) -> None:
    demo = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "union",
            "demo",
            "--source",
            str(OMSK),
            "--out",
            str(newcomer.folder.parent / "out"),
        ],
        env=newcomer.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        eventually((newcomer.folder / moment).exists, interval=0.002)
        os.kill(demo.pid, number)
        told, _ = demo.communicate(timeout=60)
    finally:
        demo.kill()
    assert demo.returncode in (128 + number, 1), told
    assert "Traceback" not in told
    eventually(lambda: not newcomer.relatives(), timeout=5)
    if "draft" in moment:
        assert not (newcomer.folder / "postgres" / "data").exists(), "nothing that looks like a whole base"
