"""The embedded graph server: ArcadeDB in a child process, reached over Bolt."""

import hashlib
import hmac
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuike.embedded import processes

DATABASE = "tuike"
USER = "root"
READER = "analyst"
DEFAULT_HEAP = "1g"
JVM_ARGS = (
    "-Xrs",  # signals are ours
    "-Xms128m",
    "-XX:+UseSerialGC",  # two cores shared with everything else: less memory and no collector threads in the way
    "-XX:+ExitOnOutOfMemoryError",  # the supervisor starts a fresh one
    "-XX:ErrorFile=hs_err_pid%p.log",
    "-Darcadedb.maxPageRAM=512",  # MB
    "-Darcadedb.opencypher.loadCsv.allowFileUrls=false",
    "-Darcadedb.opencypher.loadCsv.allowRemoteUrls=false",
    "-Darcadedb.command.regexTimeout=2000",  # ms
)


class GraphServer:
    """One graph server on `directory`; `uri` stays the same over restarts.

    `password` is set when the directory is new; an older directory keeps the one it was made with.
    """

    name = "graph"
    user = USER
    database = DATABASE

    def __init__(
        self,
        directory: Path,
        *,
        password: str,
        bolt_port: int | None = None,
        heap: str = DEFAULT_HEAP,
        environ: dict[str, str] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.log = self.directory.with_name("log") / "graph.log"
        self.password = password
        self.heap = heap
        self.environ = environ
        self.bolt_port = bolt_port or processes.find_free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._ready_file = self.directory / "ready"

    @property
    def uri(self) -> str:
        return f"bolt://127.0.0.1:{self.bolt_port}"

    @property
    def reader_password(self) -> str:
        """The password of the user that only reads: made from the other one, which cannot be made from it."""
        return hmac.new(self.password.encode(), b"reader", hashlib.sha256).hexdigest()

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that lead a client to this server."""
        return {
            "NEO4J_URI": self.uri,
            "NEO4J_USER": self.user,
            "NEO4J_PASSWORD": self.password,
            "NEO4J_DATABASE": self.database,
            "NEO4J_READER": READER,
            "NEO4J_READER_PASSWORD": self.reader_password,
        }

    def start(self) -> None:
        """Start the server and wait until its database answers. Raises StartFailed."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the server without waiting, so that other parts can start meanwhile; `wait` comes next."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ready_file.unlink(missing_ok=True)
        settings = {
            "directory": str(self.directory),
            "password": self.password,
            "reader": READER,
            "reader_password": self.reader_password,
            "bolt_port": self.bolt_port,
            "http_port": processes.find_free_port(),
            "database": DATABASE,
            "heap": self.heap,
            "jvm_args": JVM_ARGS,
            "ready_file": str(self._ready_file),
        }
        self.process = processes.spawn(
            [sys.executable, "-P", str(Path(__file__).with_name("graph_server.py"))],
            log=self.log,
            environ=self.environ,
            directory=self.directory,
            stdin=json.dumps(settings).encode(),
        )

    def wait(self, *, seconds: float = 90) -> None:
        """Wait until the database of a launched server answers. Raises StartFailed."""
        process = self.process
        assert process is not None

        def is_ready() -> bool:
            return self._ready_file.exists() and self._ready_file.read_text() == str(process.pid)

        processes.wait_until(is_ready, process, name="The graph server", log=self.log, seconds=seconds)

    def stop(self) -> None:
        """Stop the server in good order."""
        if self.process is not None:
            processes.stop(self.process, patience=20)
            self.process = None


@contextmanager
def start_graph(directory: Path, *, password: str | None = None, heap: str = "512m") -> Iterator[GraphServer]:
    """Run an embedded graph server on `directory` for the length of a block."""
    server = GraphServer(directory, password=password or secrets.token_urlsafe(18), heap=heap)
    try:
        server.start()
        yield server
    finally:
        server.stop()
