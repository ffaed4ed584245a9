"""The demo's own data directory: wiped, filled with only the two servers running, then served as by `tuike up`.

Loading happens before workers and API start: a year of orders is worked off in the order of its own time, with releases
at the ends of its months, and a worker that releases by today's clock would run ahead of the story.
"""

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from tuike.config import Config, read_config
from tuike.embedded import DataDirectory, GraphServer, PostgresServer, StackNote
from tuike.embedded.processes import sweep
from tuike.embedded.supervisor import Stopped, Supervisor, choose_port, choose_simulator_port
from tuike.providers import is_any_configured

_OURS = ("postgres", "graph", "run", "log", "stack.json", "secrets.json", "simulator")


@contextmanager
def run_servers(directory: Path, *, prepare: Callable[[Config], None]) -> Iterator[Config]:
    """Wipe `directory` and run PostgreSQL and graph server on it for the length of a block.

    Raises DirectoryInUse, StartFailed; Stopped in the block when somebody asks us to stop.
    """
    data = DataDirectory(directory)
    with data.lock(), _stop_on_signals(), ExitStack() as cleanup:
        note = data.read_note()
        if note is not None:
            sweep(note.run)
        _wipe(data.path)
        postgres = PostgresServer(data.postgres)
        graph = GraphServer(data.graph, password=data.read_graph_password())
        for server in (postgres, graph):
            cleanup.callback(server.stop)
            server.start()
        keys = data.read_keys(read_config().as_variables())
        settings = {"DATABASE_URL": postgres.url, "CELERY_BROKER_URL": "pgmq://", **keys, **graph.settings}
        config = StackNote(run="", pid=0, url="", settings=settings, parts={}).apply_to(read_config())
        prepare(config)
        yield config


def serve(
    directory: Path,
    *,
    host: str,
    port: int | None,
    prepare: Callable[[Config], None],
    on_ready: Callable[[Config, str], None],
) -> None:
    """Run the whole stack on `directory`, call `on_ready(config, url)` once it answers, and serve until asked to stop.

    `on_ready` raises Stopped to end it at once. Raises DirectoryInUse, StartFailed.
    """
    data = DataDirectory(directory)
    supervisor = Supervisor(
        data,
        host=host,
        port=choose_port(host, port),
        broker_url="pgmq://",
        prepare=lambda settings: prepare(read_config(settings)),
        simulator_port=None if is_any_configured(read_config()) else choose_simulator_port(),
    )

    def tell(url: str) -> None:
        note = data.read_note()
        assert note is not None, "a running stack has its note"
        on_ready(note.apply_to(read_config()), url)

    supervisor.run(tell)


def is_simulated(config: Config) -> bool:
    """Tell whether the stack that `config` leads to has stand-ins for the outside services."""
    return not is_any_configured(read_config()) and config.wechat_url.startswith("http://127.0.0.1:")


def has_data(directory: Path) -> bool:
    """Tell whether an earlier demo left its data there."""
    return (directory / "postgres" / "PG_VERSION").exists() and (directory / "graph").is_dir()


def _wipe(path: Path) -> None:
    for name in _OURS:
        target = path / name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


@contextmanager
def _stop_on_signals() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in old:
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    old = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    for number in old:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
