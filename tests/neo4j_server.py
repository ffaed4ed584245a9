"""A Neo4j 5.26 community server for tests: jars by Maven into build/neo4j (kept), one process per test session."""

import hashlib
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import neo4j
from neo4j.exceptions import DatabaseUnavailable, ServiceUnavailable, SessionExpired, TransientError

from tuike.embedded import StartFailed, find_free_port, processes

ROOT = Path(__file__).resolve().parent.parent
POM = Path(__file__).with_name("neo4j") / "pom.xml"
CACHE = ROOT / "build" / "neo4j"
OPENED = ("java.nio", "java.io", "sun.nio.ch", "java.lang")
SETTINGS = """
server.bolt.listen_address=127.0.0.1:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
server.memory.pagecache.size=128m
dbms.usage_report.enabled=false
server.directories.data={home}/data
server.directories.logs={home}/logs
"""


def find_obstacle() -> str | None:
    """Return why Neo4j cannot run here, or None when it can."""
    java = shutil.which("java")
    if java is None or _read_java_version(java) < 17:
        return "Neo4j needs Java 17 or newer on PATH"
    if shutil.which("mvn") is None and not _is_cached():
        return "Neo4j's jars need Maven (mvn) on PATH"
    return None


class Neo4jServer:
    """One server on `home`; `uri` stays the same over restarts."""

    name = "neo4j"
    user = "neo4j"
    database = "neo4j"

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.log = self.home / "console.log"
        self.password = secrets.token_urlsafe(18)
        self.port = find_free_port()
        self.uri = f"bolt://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._has_password = False

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that lead a client to this server."""
        return {
            "NEO4J_URI": self.uri,
            "NEO4J_USER": self.user,
            "NEO4J_PASSWORD": self.password,
            "NEO4J_DATABASE": self.database,
        }

    def start(self) -> None:
        """Start the server and wait until it takes our password."""
        for name in ("conf", "data", "logs", "import", "plugins", "run"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        (self.home / "conf" / "neo4j.conf").write_text(SETTINGS.format(port=self.port, home=self.home))
        opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        command = ["java", "-Xms256m", "-Xmx768m", "-XX:+UseSerialGC", *opens, "-cp", f"{_fetch_jars()}/*",
                   "org.neo4j.server.CommunityEntryPoint",
                   f"--home-dir={self.home}", f"--config-dir={self.home}/conf"]  # fmt: skip
        self.process = processes.spawn(command, log=self.log, directory=self.home)
        processes.wait_until(self._accepts, self.process, name="Neo4j", log=self.log, seconds=120)

    def stop(self, *, patience: float = 30) -> None:
        """Stop the server in good order, or kill it when `patience` (seconds) is over."""
        if self.process is not None:
            processes.stop(self.process, patience=patience)
            self.process = None

    def _accepts(self) -> bool:
        # The port opens before the databases do, so ask until a login is answered.
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", self.port), timeout=1)):
            with suppress(ServiceUnavailable, SessionExpired, TransientError, DatabaseUnavailable):
                self._log_in()
                return True
        return False

    def _log_in(self) -> None:
        old = self.password if self._has_password else "neo4j"
        with neo4j.GraphDatabase.driver(self.uri, auth=(self.user, old)) as driver:
            if not self._has_password:
                driver.execute_query(
                    "ALTER CURRENT USER SET PASSWORD FROM $old TO $new",
                    old=old, new=self.password, database_="system",
                )  # fmt: skip
                self._has_password = True
        with neo4j.GraphDatabase.driver(self.uri, auth=(self.user, self.password)) as driver:
            driver.execute_query("RETURN 1 AS one", database_=self.database)


@contextmanager
def start_neo4j(home: Path) -> Iterator[Neo4jServer]:
    """Run a Neo4j server on `home` for the length of a block."""
    server = Neo4jServer(home)
    try:
        server.start()
        yield server
    finally:
        server.stop(patience=0)  # nobody reads its files again


def _fetch_jars() -> Path:
    """Return the directory of the jars that the pom names, fetching them the first time."""
    library = _find_library()
    if not _is_cached():
        shutil.rmtree(library, ignore_errors=True)
        command = ["mvn", "--batch-mode", "--quiet", "-f", str(POM), "dependency:copy-dependencies",
                   "-DincludeScope=runtime", f"-DoutputDirectory={library}"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise StartFailed(f"Maven could not fetch Neo4j: {(done.stdout + done.stderr)[-800:]}")
        (library / "complete").touch()
    return library


def _find_library() -> Path:
    return CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]


def _is_cached() -> bool:
    return (_find_library() / "complete").exists()


def _read_java_version(java: str) -> int:
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found.group(1)) if found else 0
