"""Child processes: started on a leash, stopped in good order, and swept away when a dead supervisor left them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

LEASH = Path(__file__).with_name("leash.py")
MARK = "TUIKE_STACK_MARK"
"""Environment variable that children carry: `<random run id>:<name>`. Only written here, never configured."""

_MARK_MIN = 16


class StartFailed(Exception):
    """A part did not come up; the message says which and where its log is."""


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    user: str | None = None,
    stdin: bytes | None = None,
    death_signal: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output appended to `log`, on a leash to this process.

    `environ` comes on top of our own environment. `stdin` is small and written at once: secrets go this way, because an
    argument could be seen by every user. Call it from a thread that lives as long as the child should: Linux counts the
    death of the starting thread.
    """
    leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(death_signal)), user or "-"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*leash, *command],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=dict(os.environ) | dict(environ or {}),
            cwd=directory,
            start_new_session=True,
        )
    if stdin is not None:
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(stdin)
    return process


def stop(process: subprocess.Popen[bytes], *, with_signal: int = signal.SIGTERM, patience: float = 15) -> bool:
    """Ask a child to end, wait, and kill it with its whole session if it does not; tell whether it ended by itself."""
    if process.poll() is None:
        process.send_signal(with_signal)
    try:
        process.wait(patience)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        kill_session(process.pid)
        process.wait()


def kill_session(leader: int) -> None:
    """Kill what is left of the session that `spawn` made for a child."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def sweep(mark: str, *, patience: float = 10) -> list[int]:
    """End every process that carries a mark starting with `mark`; return their pids.

    This finds what a killed supervisor, or a killed child with children of its own, left behind, without trusting that
    a pid of yesterday still means the same process.
    """
    if len(mark) < _MARK_MIN:
        raise ValueError("a mark this short could be anybody's")
    found = [process for process in psutil.process_iter() if _carries(process, mark)]
    for process in found:
        with suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=patience)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=patience)
    return [process.pid for process in found]


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK, "").startswith(mark)
    except (psutil.Error, OSError):
        return False


def find_free_port(host: str = "127.0.0.1", *, preferred: int | None = None, tries: int = 200) -> int:
    """Return `preferred` or the next free port above it; any free port when there is no preference.

    Raises StartFailed when `tries` ports in a row are taken.
    """
    candidates = [0] if preferred is None else range(preferred, min(preferred + tries, 65536))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in candidates:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do: a port in TIME_WAIT is free, one with a listener is not.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((host, port))
                return int(probe.getsockname()[1])
    raise StartFailed(f"No free port on {host} from {preferred} on.")


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], *, name: str, log: Path, seconds: float
) -> None:
    """Wait until `ready()`; raises StartFailed when the process ends before or `seconds` pass."""
    end = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise StartFailed(f"{name} ended with status {process.returncode} while starting; its log is {log}")
        if time.monotonic() > end:
            raise StartFailed(f"{name} was not ready within {seconds:.0f} s; its log is {log}")
        time.sleep(0.02)
