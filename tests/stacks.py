"""Runs the real `tuike` command as a caller would: in a process of its own."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuike.embedded import find_free_port, processes


@dataclass
class Stack:
    """A running `tuike up`: its directory, its address, what it printed, and its log lines."""

    directory: Path
    process: subprocess.Popen[str]
    url: str = ""
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def simulator_url(self) -> str:
        """Where its stand-ins for outside services are."""
        url: str = self.read_note()["settings"]["TUIKE_WECHAT_URL"]
        return url.removesuffix("/wechat")

    def read_note(self) -> dict[str, Any]:
        """Return what stack.json says now."""
        note: dict[str, Any] = json.loads((self.directory / "stack.json").read_text())
        return note

    def list_events(self, event: str) -> list[dict[str, Any]]:
        """Return the structured log lines of one event, oldest first."""
        lines = [json.loads(line) for line in self.errors if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def create_key(self, scope: str) -> str:
        """Return a new API key of this stack."""
        return run_tuike("key", "create", "--name", scope, "--scope", scope, directory=self.directory).stdout.strip()

    def stop(self, *, patience: float = 60) -> int:
        """Ask the stack to end as an operator would; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience)


def run_tuike(*words: str, directory: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one `tuike` command to its end."""
    where = [] if directory is None else ["--data-dir", str(directory)]
    done = subprocess.run(
        [sys.executable, "-m", "tuike.cli", *words, *where],
        capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL, env=_make_environ(),
    )  # fmt: skip
    if check and done.returncode != 0:
        raise AssertionError(f"tuike {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done


@contextmanager
def start_stack(
    directory: Path,
    *,
    port: int | None = None,
    words: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    patience: float = 90,
) -> Iterator[Stack]:
    """Run `tuike up` on `directory` for the length of a block; `port` None takes a free one."""
    # On a leash, so that a test run that is killed takes its stacks along.
    leash = [sys.executable, "-I", "-S", str(processes.LEASH), str(os.getpid()), str(int(signal.SIGTERM)), "-"]
    command = [*leash, sys.executable, "-m", "tuike.cli", "up", "--data-dir", str(directory),
               "--port", str(port or find_free_port()), *words]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        env=_make_environ() | dict(environ or {}),
    )  # fmt: skip
    stack = Stack(directory, process)
    ready: queue.Queue[str] = queue.Queue()
    readers = [
        threading.Thread(target=_read, args=(process.stdout, stack.output, ready), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, stack.errors, None), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        stack.url = _wait_until_ready(stack, ready, patience)
        yield stack
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        for reader in readers:
            reader.join(10)
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def _wait_until_ready(stack: Stack, ready: "queue.Queue[str]", patience: float) -> str:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            return ready.get(timeout=0.2)
        except queue.Empty:
            if stack.process.poll() is not None:
                break
    logs = "".join(f"\n== {path.name}\n{path.read_text()[-2000:]}" for path in stack.directory.glob("log/*.log"))
    raise AssertionError(f"tuike up did not get ready: {stack.output} {stack.errors}{logs}")


def _read(pipe: Any, lines: list[str], ready: "queue.Queue[str] | None") -> None:
    for line in pipe:
        lines.append(line.rstrip("\n"))
        if ready is not None and line.startswith("ready http"):
            ready.put(line.split()[1])


def _make_environ() -> dict[str, str]:
    """Our environment without what would lead to another stack; coloured or wrapped output off."""
    away = {"DATABASE_URL", "NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD", "NEO4J_DATABASE", "CELERY_BROKER_URL"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in away and not name.startswith(("TUIKE_WECHAT", "TUIKE_ALIPAY"))
    }
    return kept | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent), "NO_COLOR": "1", "COLUMNS": "200"}
