"""One node of Apache Kafka itself, for the tests of what only the real broker does.

Broker and controller share one process (KRaft), started from the jars that `tests/kafka/run` copies to
`build/kafka/libs`. The one-machine stack does not use it: it needs Java.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

HOST = "127.0.0.1"
LIBS = Path(__file__).resolve().parents[3] / "build" / "kafka" / "libs"

# One node, many short lives: single replicas, few internal partitions, small buffers, no waiting for more
# members of a group, and a short broker session, because after a `kill` the controller refuses the new broker
# until the old one's session is over. Everything else is Kafka's default: the tests are there to meet that.
SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=CLIENT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENT://{host}:{port},CONTROLLER://{host}:{controller_port}
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={host}:{controller_port}
log.dirs={log_dirs}
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""

LOG4J_PROPERTIES = """\
status=warn
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %m (%c)%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
"""


class ApacheKafkaError(RuntimeError):
    """Kafka cannot be started here; the sentence says what to do."""


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on now; nothing keeps it for the caller."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class ApacheKafka:
    """A node whose topics and offsets live in `data_dir` and outlast `stop`, `kill` and this object.

    Methods are for one owner, who does not call them concurrently. None leaves anything tied to the event
    loop behind: a session fixture may start the node in one loop and a test restart it in another.
    """

    def __init__(
        self, data_dir: Path, port: int, *, controller_port: int | None = None, libs: Path = LIBS
    ) -> None:
        self.data_dir = data_dir
        self.port = port
        self.controller_port = controller_port or free_port()
        self.libs = libs
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def log_path(self) -> Path:
        """What the server said, over all of its starts."""
        return self.data_dir / "server.log"

    @property
    def pid(self) -> int | None:
        """The server's process while it exists, frozen or not."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self, timeout: float = 60.0) -> None:
        """Returns when clients can produce and groups can join; does nothing when the node already runs.

        Raises ApacheKafkaError when Java or the jars are missing, or when the node is not ready after
        `timeout` seconds (it is then killed).
        """
        if self.pid is not None:
            return
        java = self._java()
        self._write_configuration()
        if not (self.data_dir / "logs" / "meta.properties").exists():
            await asyncio.to_thread(self._format, java)
        with self.log_path.open("ab") as log:
            # Popen and not asyncio's process: that one belongs to the loop which started it. The node stays
            # in our process group, so that whoever ends the group, as a terminal's Ctrl-C does, ends it too.
            self._process = subprocess.Popen(  # noqa: ASYNC220
                [*java, "kafka.Kafka", str(self.data_dir / "server.properties")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.data_dir,
            )
        try:
            await self._wait_until_ready(timeout)
        except BaseException:
            await self.kill()
            raise

    async def stop(self, timeout: float = 30.0) -> None:
        """Ends the node in good order, after `timeout` seconds with SIGKILL; does nothing when it is down."""
        await self._end(signal.SIGTERM, timeout)

    async def kill(self) -> None:
        """`kill -9`: the node gets no chance to write anything; does nothing when it is down."""
        await self._end(signal.SIGKILL, timeout=10.0)

    async def restart(self, timeout: float = 60.0) -> None:
        """`stop` and `start` on the same ports and data."""
        await self.stop()
        await self.start(timeout)

    def freeze(self) -> None:
        """Keeps connections and answers nothing, as in a long pause, until `thaw`, `stop` or `kill`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is None:
            raise ApacheKafkaError(f"Kafka on port {self.port} is not running; start it first")
        os.kill(self.pid, number)

    async def _end(self, number: signal.Signals, timeout: float) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # a frozen process would never see the signal before this one
            deadline = time.monotonic() + timeout
            while process.poll() is None:
                if time.monotonic() > deadline:
                    process.kill()
                await asyncio.sleep(0.02)
        self._process = None

    def _java(self) -> list[str]:
        executable = shutil.which("java")
        if executable is None:
            raise ApacheKafkaError("Apache Kafka needs Java 17 or newer, and there is no `java` on the PATH")
        if not any(self.libs.glob("kafka_*.jar")):
            raise ApacheKafkaError(f"Apache Kafka's jars are not in {self.libs}; `make test-kafka` fetches them")
        return [
            executable,
            "-Xms128m",
            "-Xmx512m",
            # A node of the tests lives for minutes: quick compilation and a single collector thread start
            # sooner and leave the other cores to what is being tested.
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self.data_dir / 'log4j2.properties'}",
            "-cp",
            str(self.libs / "*"),
        ]

    def _write_configuration(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "log4j2.properties").write_text(LOG4J_PROPERTIES)
        (self.data_dir / "server.properties").write_text(
            SERVER_PROPERTIES.format(
                host=HOST,
                port=self.port,
                controller_port=self.controller_port,
                log_dirs=self.data_dir / "logs",
            )
        )

    def _format(self, java: list[str]) -> None:
        # Kafka's own form of an id, without the '-' that the tool would take for an option at its start.
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        formatted = subprocess.run(
            [
                *java,
                "kafka.tools.StorageTool",
                "format",
                "--standalone",
                "--cluster-id",
                cluster_id,
                "--config",
                str(self.data_dir / "server.properties"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if formatted.returncode != 0:
            raise ApacheKafkaError(f"Kafka's storage was not formatted: {formatted.stdout}{formatted.stderr}")

    async def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not await self._ready():
            if self.pid is None:
                raise ApacheKafkaError(f"Kafka ended while starting:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise ApacheKafkaError(f"Kafka was not ready after {timeout:.0f} s:\n{self._log_tail()}")
            await asyncio.sleep(0.05)

    async def _ready(self) -> bool:
        """Metadata names the broker, every partition has a leader, and groups have a coordinator.

        A port that answers is not enough: after a restart the partitions get their leaders a moment later,
        and the first group of a new node waits for the offsets topic to be made.
        """
        try:
            _, writer = await asyncio.open_connection(HOST, self.port)
        except OSError:
            return False  # asked before aiokafka, which logs an error for each refused connection
        writer.close()
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5_000)
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
            topics = await admin.describe_topics()
            partitions = [partition for topic in topics for partition in topic["partitions"]]
            if not cluster["brokers"] or any(partition["leader"] < 0 for partition in partitions):
                return False
            await admin.find_coordinator("readiness")
        except (KafkaError, TimeoutError, OSError):
            return False
        else:
            return True
        finally:
            await admin.close()

    def _log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
