"""`tuike up`: every part as a child process, watched, restarted when it dies, stopped in order."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

import structlog

from tuike.embedded import processes
from tuike.embedded.directory import DataDirectory, StackNote
from tuike.embedded.graph import GraphServer
from tuike.embedded.postgres import PostgresServer
from tuike.embedded.processes import StartFailed

log = structlog.get_logger(__name__)

DEFAULT_PORT = 8000
DEFAULT_SIMULATOR_PORT = 8100
_ROOT = Path(__file__).resolve().parents[2]
_READY_SECONDS = 90
_LOOK_EVERY_S = 0.2
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 30.0
_HEALTHY_AFTER_S = 60.0
_LOG_MAX_BYTES = 20_000_000


class Part(Protocol):
    """A server or program of the stack; `start` returns when it is of use to the parts after it."""

    name: str
    process: subprocess.Popen[bytes] | None

    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Program:
    """A part that is one command, of use to nobody else while starting."""

    name: str
    command: list[str]
    log: Path
    environ: dict[str, str] = field(repr=False)
    patience: float = 15
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = processes.spawn(self.command, log=self.log, environ=self.environ, directory=_ROOT)

    def stop(self) -> None:
        if self.process is not None:
            processes.stop(self.process, patience=self.patience)
            self.process = None


class Stopped(BaseException):
    """Somebody asked us to stop; not an error, and nothing on the way may swallow it."""


@dataclass
class _Restart:
    at: float = 0.0
    wait: float = _FIRST_WAIT_S
    started_at: float = 0.0


class Supervisor:
    """The stack of one data directory, in the foreground."""

    def __init__(
        self,
        directory: DataDirectory,
        *,
        host: str,
        port: int,
        broker_url: str,
        prepare: Callable[[dict[str, str]], None],
        simulator_port: int | None = None,
    ) -> None:
        """Run nothing yet.

        `broker_url` is `pgmq://` for the stack's own; `prepare(settings)` brings the schema of PostgreSQL and graph up
        to date before the API starts. With `simulator_port` stand-ins for the outside services run beside.
        """
        self.directory = directory
        self.host = host
        self.port = port
        self.url = f"http://{_bracket(host)}:{port}"
        self._broker_url = broker_url
        self._prepare = prepare
        self._simulator_port = simulator_port
        self.simulator_url = None if simulator_port is None else f"http://127.0.0.1:{simulator_port}"
        self._run = secrets.token_hex(8)
        self._parts: list[Part] = []
        self._restarts: dict[str, _Restart] = {}
        self._settings: dict[str, str] = {}
        self._is_usable = False

    def run(self, on_ready: Callable[[str], None]) -> None:
        """Start everything, call `on_ready(url)` when a request will succeed, and watch until asked to stop.

        Raises StartFailed when a part does not come up the first time, DirectoryInUse when somebody else is there.
        """
        with self.directory.lock(), _stop_on_signals(), ExitStack() as cleanup:
            self._sweep_leftovers()
            cleanup.callback(self.directory.drop_note)
            cleanup.callback(self._stop_all)
            try:
                self._start_servers()
                self._prepare(self._settings)
                self._is_usable = True
                self._start_programs()
                on_ready(self.url)
                while True:
                    time.sleep(_LOOK_EVERY_S)
                    self._heal()
            except Stopped:
                log.info("stack.stopping")
            finally:
                _ignore_signals()

    def _sweep_leftovers(self) -> None:
        note = self.directory.read_note()
        if note is None:
            return
        pids = processes.sweep(note.run)
        log.warning("stack.leftovers_stopped", run=note.run, pids=pids)
        self.directory.drop_note()

    def _start_servers(self) -> None:
        postgres = PostgresServer(self.directory.postgres, environ=self._mark("postgres"))
        graph = GraphServer(
            self.directory.graph, password=self.directory.read_graph_password(), environ=self._mark("graph")
        )
        self._settings = {
            "DATABASE_URL": postgres.url,
            "CELERY_BROKER_URL": self._broker_url,
            "TUIKE_PUBLIC_URL": os.environ.get("TUIKE_PUBLIC_URL") or self.url,
            **self.directory.read_keys(os.environ),
            **graph.settings,
            "TUIKE_MEDIA_STORAGE": os.environ.get("TUIKE_MEDIA_STORAGE", str(self.directory.path / "media")),
        }
        for log_file in self.directory.log.glob("*.log"):
            _rotate(log_file)
        with self._starting(graph):
            graph.launch()  # its two seconds are PostgreSQL's as well
            with self._starting_simulator(), self._starting(postgres):
                postgres.start()
            graph.wait()

    @contextmanager
    def _starting_simulator(self) -> Iterator[None]:
        """Start the stand-ins, if they are wanted, beside the block; pass the variables that lead to them on."""
        if self._simulator_port is None:
            yield
            return
        directory = self.directory.simulator
        command = [sys.executable, "-m", "simulator", "--directory", str(directory),
                   "--port", str(self._simulator_port)]  # fmt: skip
        environ = self._mark("simulator") | {"PYTHONPATH": _extend_path(), "PYTHONUNBUFFERED": "1"}
        simulator = Program("simulator", command, self.directory.log / "simulator.log", environ, patience=5)
        with self._starting(simulator):
            simulator.start()
            yield
            self._wait_until(lambda: _is_answered(f"{self.simulator_url}/_control/health"))
        self._settings |= json.loads((directory / "settings.json").read_text())

    def _start_programs(self) -> None:
        api, *others = self._make_programs()
        with self._starting(api):
            api.start()
            self._wait_until_healthy()
        for program in others:
            with self._starting(program):
                program.start()

    def _make_programs(self) -> Iterator[Program]:
        processors = os.cpu_count() or 2
        celery = [sys.executable, "-m", "celery", "-A", "workers.celery_app"]
        commands = {
            "api": [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", self.host,
                    "--port", str(self.port), "--workers", str(max(2, min(processors, 4))),
                    "--blocking-threads", "8", "--log-level", "warning", "--no-ws",
                    "--respawn-failed-workers", "--workers-kill-timeout", "10", "api.wsgi:application"],
            "worker": [*celery, "worker", "--concurrency", "3", "--loglevel", "WARNING",
                       "--without-gossip", "--without-mingle", "--without-heartbeat"],
            "beat": [*celery, "beat", "--loglevel", "WARNING", "--pidfile", ""],
        }  # fmt: skip
        for name, command in commands.items():
            environ = self._settings | self._mark(name) | {"PYTHONPATH": _extend_path(), "PYTHONUNBUFFERED": "1"}
            yield Program(name, command, self.directory.log / f"{name}.log", environ)

    def _mark(self, name: str) -> dict[str, str]:
        return {processes.MARK: f"{self._run}:{name}"}

    @contextmanager
    def _starting(self, part: Part) -> Iterator[None]:
        begun = time.monotonic()
        self._parts.append(part)
        self._restarts[part.name] = _Restart(started_at=begun)
        yield
        self._write_note()
        assert part.process is not None
        log.info("part.started", part=part.name, pid=part.process.pid, seconds=round(time.monotonic() - begun, 2))

    def _write_note(self) -> None:
        pids = {part.name: part.process.pid for part in self._parts if part.process is not None}
        self.directory.write_note(StackNote(self._run, os.getpid(), self.url, self._settings, pids, self._is_usable))

    def _wait_until_healthy(self) -> None:
        self._wait_until(self._is_healthy)

    def _wait_until(self, is_ready: Callable[[], bool]) -> None:
        end = time.monotonic() + _READY_SECONDS
        while not is_ready():
            for part in self._parts:
                if part.process is None or part.process.poll() is not None:
                    raise StartFailed(f"The {part.name} ended while starting; its log is in {self.directory.log}")
            if time.monotonic() > end:
                raise StartFailed(f"The stack was not ready within {_READY_SECONDS} s; see {self.directory.log}")
            time.sleep(0.05)

    def _is_healthy(self) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return _is_answered(f"http://{_bracket(host)}:{self.port}/health")

    def _heal(self) -> None:
        for part in self._parts:
            restart = self._restarts[part.name]
            now = time.monotonic()
            if part.process is not None and part.process.poll() is None:
                if now - restart.started_at > _HEALTHY_AFTER_S:
                    restart.wait = _FIRST_WAIT_S
                continue
            if part.process is not None:
                log.error("part.died", part=part.name, pid=part.process.pid, status=part.process.returncode,
                          restart_in_seconds=restart.wait)  # fmt: skip
                processes.kill_session(part.process.pid)
                processes.sweep(f"{self._run}:{part.name}", patience=3)
                part.process = None
                restart.at = now + restart.wait
            elif now >= restart.at:
                self._restart(part, restart)

    def _restart(self, part: Part, restart: _Restart) -> None:
        restart.wait = min(restart.wait * 2, _LONGEST_WAIT_S)
        try:
            part.start()
        except StartFailed as error:
            part.stop()
            restart.at = time.monotonic() + restart.wait
            reason = str(error)
            log.error("part.restart_failed", part=part.name, reason=reason, next_in_seconds=restart.wait)  # noqa: TRY400
            return
        restart.started_at = time.monotonic()
        self._write_note()
        assert part.process is not None
        log.warning("part.restarted", part=part.name, pid=part.process.pid)

    def _stop_all(self) -> None:
        for part in self._parts:
            if isinstance(part, Program) and part.process is not None:  # nobody needs these: let them end together
                with suppress(ProcessLookupError):
                    part.process.terminate()
        for part in reversed(self._parts):
            with suppress(Exception):  # the others are to be stopped whatever happens to one
                part.stop()
                log.info("part.stopped", part=part.name)
        processes.sweep(self._run, patience=3)


def choose_port(host: str, port: int | None) -> int:
    """Return the port asked for (8000 unless said otherwise), or the next free one."""
    return processes.find_free_port(host, preferred=port or DEFAULT_PORT)


def choose_simulator_port() -> int:
    """Return the port for the stand-ins: 8100, or the next free one."""
    return processes.find_free_port("127.0.0.1", preferred=DEFAULT_SIMULATOR_PORT)


def _is_answered(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - an address of ours
            return bool(answer.status == 200 and json.load(answer).get("status") is not None)
    except (OSError, ValueError):
        return False


@contextmanager
def _stop_on_signals() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        raise Stopped

    old = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """From here on we are stopping, and stop in order however often somebody asks."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _rotate(path: Path) -> None:
    if path.stat().st_size > _LOG_MAX_BYTES:
        shutil.move(path, path.with_suffix(".log.1"))


def _extend_path() -> str:
    """Let children find `api` and `workers` when tuike runs from a checkout."""
    return os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host
