"""The data directory of an embedded stack: its lock, its secrets, and the note of what is running.

lock           held (flock) by the one process that runs servers on the directory
stack.json     where the running stack is; readable by its owner only, gone when it is stopped
secrets.json   generated once; readable by its owner only
simulator/     keys and state of the stand-ins for outside services
postgres/ graph/ run/ log/
"""

import base64
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from tuike.config import VARIABLES, Config

DEFAULT = Path(".tuike")


class DirectoryInUse(Exception):
    """Another process runs servers on this directory; the message says which."""


@dataclass(frozen=True, slots=True)
class StackNote:
    """A running stack: the random id its processes carry, its address, and the environment that leads to its parts.

    Commands may use its servers once it `is_usable`: both answer and have their schema.
    """

    run: str
    pid: int
    url: str
    settings: dict[str, str] = field(repr=False)
    parts: dict[str, int]
    is_usable: bool = False

    def apply_to(self, config: Config) -> Config:
        """Return `config` with the places of this stack's parts."""
        return replace(config, **{VARIABLES[name]: value for name, value in self.settings.items()})  # type: ignore[arg-type]


class DataDirectory:
    """One data directory; `lock()` before running servers on it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.postgres = self.path / "postgres"
        self.graph = self.path / "graph"
        self.run = self.path / "run"
        self.log = self.path / "log"
        self.simulator = self.path / "simulator"
        self._note = self.path / "stack.json"
        self._secrets = self.path / "secrets.json"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the directory for the length of a block; the lock dies with this process, however it dies.

        Raises DirectoryInUse when another process holds it.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / "lock").open("a+") as handle:
            if not _try_lock(handle, patience=0.5):  # outlasts a look by `is_locked`
                raise DirectoryInUse(self._describe_holder())
            yield

    def find_running(self) -> StackNote | None:
        """Return the note of the stack that commands can use here now, or None; what a killed one left is ignored."""
        note = self.read_note()
        return note if note is not None and note.is_usable and self.is_locked() else None

    def is_locked(self) -> bool:
        """Tell whether another process runs servers on this directory."""
        if not (self.path / "lock").exists():
            return False
        with (self.path / "lock").open("a+") as handle:
            return not _try_lock(handle)

    def wait_for_stack_or_lock(self, *, seconds: float = 60) -> StackNote | None:
        """Return the running stack once commands can use it, or None as soon as nobody holds the directory.

        Raises DirectoryInUse when neither happens within `seconds`.
        """
        end = time.monotonic() + seconds
        while self.is_locked():
            note = self.read_note()
            if note is not None and note.is_usable:
                return note
            if time.monotonic() > end:
                raise DirectoryInUse(self._describe_holder())
            time.sleep(0.1)
        return None

    def read_note(self) -> StackNote | None:
        """Return the note as written, even of a stack that was killed; None when there is none."""
        try:
            note = StackNote(**json.loads(self._note.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return note if note.run else None

    def write_note(self, note: StackNote) -> None:
        """Replace the note, whole."""
        _write_private(self._note, {name: getattr(note, name) for name in StackNote.__slots__})

    def drop_note(self) -> None:
        self._note.unlink(missing_ok=True)

    def read_graph_password(self) -> str:
        """Return the graph server's password, generated the first time."""
        return self._read_secret("graph_password", lambda: secrets.token_urlsafe(24))

    def read_keys(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the keys of people's logins as variables: those that are `given`, else generated the first time."""
        makers = {"TUIKE_TOKEN_KEYS": _make_keys, "TUIKE_DATA_KEYS": _make_keys, "TUIKE_DIGEST_KEY": _make_key}
        return {name: given.get(name) or self._read_secret(VARIABLES[name], make) for name, make in makers.items()}

    def _read_secret(self, name: str, make: Callable[[], str]) -> str:
        known = json.loads(self._secrets.read_text()) if self._secrets.exists() else {}
        if name not in known:
            known[name] = make()
            _write_private(self._secrets, known)
        return str(known[name])

    def _describe_holder(self) -> str:
        note = self.read_note()
        where = f" (pid {note.pid}, {note.url})" if note is not None else ""
        return f"Another tuike is running on {self.path}{where}; stop it or choose another --data-dir."


def _make_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _make_keys() -> str:
    return f"k1:{_make_key()}"


def _try_lock(handle: IO[str], *, patience: float = 0) -> bool:
    end = time.monotonic() + patience
    while not _try_lock_once(handle):
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)
    return True


def _try_lock_once(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _write_private(path: Path, content: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        json.dump(content, handle, indent=1)
    fresh.replace(path)
