"""The simulator as a process of its own, the hand on its controls, and an ear for its notifies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

import httpx

from tuike.config import read_config
from tuike.embedded import processes
from tuike.providers import Limits, Providers

ROOT = Path(__file__).resolve().parent.parent
QUICK = Limits(connect_s=2, read_s=1.5, deadline_s=4, tries=3, first_wait_s=0.02)


@dataclass
class Simulated:
    """A running simulator, and clients that lead to it."""

    url: str
    directory: Path
    process: subprocess.Popen[str]
    settings: dict[str, str]
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10, trust_env=False))

    def control(self, path: str, **body: Any) -> Any:
        """Use the controls; return what they answer."""
        answer = self.http.post(f"{self.url}/_control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, call: str, kind: str, **options: Any) -> None:
        """Make the next calls of a name go wrong."""
        self.control("faults", call=call, kind=kind, **options)

    def read_state(self) -> Any:
        return self.http.get(f"{self.url}/_control/state").json()

    def make_providers(self, *, limits: Limits = QUICK, **changes: str) -> Providers:
        """Return clients, with some variables changed."""
        return Providers(read_config({**self.settings, **changes}), limits=limits)

    def person(self, name: str, **changes: Any) -> dict[str, Any]:
        return dict(self.control(f"people/{name}", **changes))


@dataclass
class Heard:
    """One notify as it came in."""

    at: datetime
    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Ear:
    """A merchant's notify address: keeps what it hears and answers as told."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[Heard], tuple[int, bytes]] = lambda _: (200, b"success")
        ear = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                heard = Heard(datetime.now(UTC), dict(self.headers.items()), body, self.path)
                ear.heard.append(heard)
                status, answer = ear.answer(heard)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/notify"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count: int = 1, *, seconds: float = 8) -> list[Heard]:
        """Return what was heard once it is `count` notifies."""
        wait_until(lambda: len(self.heard) >= count, seconds=seconds)
        return self.heard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def wait_until(is_so: Callable[[], bool], *, seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def start_simulator(directory: Path, *words: str) -> Iterator[Simulated]:
    """Run `python -m simulator` for the length of a block."""
    leash = [sys.executable, "-I", "-S", str(processes.LEASH), str(os.getpid()), str(int(signal.SIGTERM)), "-"]
    command = [*leash, sys.executable, "-m", "simulator", "--directory", str(directory), *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("ready http"), line
        settings: Mapping[str, str] = json.loads((directory / "settings.json").read_text())
        simulated = Simulated(line.split()[1], directory, process, dict(settings))
        yield simulated
        simulated.http.close()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(10)
        process.stdout.close()
