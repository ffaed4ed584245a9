"""Where a command finds its stack: a running one, the environment's, or one of its own for the moment."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from tuike.config import Config, read_config
from tuike.embedded.directory import DEFAULT, DataDirectory

Command = TypeVar("Command", bound=Callable[..., Any])
Progress = Callable[[str, int, int | None], None]


def takes_data_dir(command: Command) -> Command:
    """Give a command its `--data-dir DIR`, passed as `directory`."""
    option = click.option(
        "--data-dir", "directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT,
        show_default=True, help="The data directory of the embedded stack.",
    )  # fmt: skip
    return option(command)


def opens_app(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--data-dir` and pass it the `app` of the stack found there, closed afterwards."""
    return _opens("app", open_app, command)


def opens_database(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--data-dir` and pass it the `db` of the stack found there, closed afterwards."""
    return _opens("db", open_database, command)


def _opens(
    name: str, opener: Callable[[Path], AbstractContextManager[Any]], command: Callable[..., Any]
) -> Callable[..., Any]:
    @takes_data_dir
    @functools.wraps(command)
    def run(*args: Any, directory: Path, **kwargs: Any) -> Any:
        with opener(directory) as opened:
            return command(*args, **{name: opened}, **kwargs)

    return run


@contextmanager
def open_app(directory: Path) -> Iterator[Any]:
    """Open the parts of the stack that `directory` and the environment lead to.

    A `tuike up` running on the directory comes first, then `DATABASE_URL`; with neither, the directory's own servers
    run for the length of the block.
    """
    from tuike.app import build_app
    from tuike.shared.logs import configure_logs

    with open_config(directory) as config:
        configure_logs("WARNING")
        app = build_app(config, application_name="tuike command")
        try:
            yield app
        finally:
            app.close()


@contextmanager
def open_database(directory: Path) -> Iterator[Any]:
    """Open PostgreSQL alone of the stack that `open_app` finds; a small command is done before the rest is loaded."""
    from tuike.db import Database
    from tuike.shared.logs import configure_logs

    with open_config(directory) as config:
        configure_logs("WARNING")
        db = Database(config.database_url, application_name="tuike command")
        try:
            yield db
        finally:
            db.close()


@contextmanager
def open_config(directory: Path) -> Iterator[Config]:
    """Yield the configuration that leads to the stack; see `open_app`."""
    config = read_config()
    data = DataDirectory(directory)
    note = data.find_running()
    if note is None and config.database_url:
        yield config
        return
    if note is None:
        note = data.wait_for_stack_or_lock()
    if note is not None:
        yield note.apply_to(config)
        return
    with _run_servers(data, config) as temporary:
        yield temporary


@contextmanager
def _run_servers(data: DataDirectory, config: Config) -> Iterator[Config]:
    from tuike.embedded import GraphServer, PostgresServer
    from tuike.embedded.directory import StackNote

    with data.lock(), ExitStack() as cleanup:
        postgres = PostgresServer(data.postgres)
        graph = GraphServer(data.graph, password=data.read_graph_password())
        for server in (postgres, graph):
            cleanup.callback(server.stop)
            server.start()
        keys = data.read_keys(config.as_variables())
        settings = {"DATABASE_URL": postgres.url, "CELERY_BROKER_URL": "pgmq://", **keys, **graph.settings}
        config = StackNote(run="", pid=0, url="", settings=settings, parts={}).apply_to(config)
        prepare(config)
        yield config


def prepare(config: Config) -> None:
    """Bring the schema of PostgreSQL and graph up to date."""
    from tuike import graph
    from tuike.app import build_app
    from tuike.broker import read_broker
    from tuike.db.migrate import migrate

    app = build_app(config, application_name="tuike migrate")
    try:
        migrate(app.db, with_queue=read_broker(config).postgres_url is not None)
        graph.migrate(app.graph)
    finally:
        app.close()


@contextmanager
def show_progress(what: str) -> Iterator[Progress]:
    """Yield `progress(stage, done, total)`, drawn as a bar when stderr is a terminal and silent otherwise.

    `total` is None while it is not known.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def progress(stage: str, done: int, total: int | None) -> None:
            bar.update(task, description=f"{what}: {stage}" if stage else what, completed=done, total=total)

        yield progress


class Instant(click.ParamType[Any]):
    """An RFC 3339 instant with its offset, as aware UTC."""

    name = "INSTANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from datetime import UTC, datetime

        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not an RFC 3339 instant such as 2026-01-31T12:00:00+08:00.", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value!r} lacks its offset, such as Z or +08:00.", param, ctx)
        try:
            return instant.astimezone(UTC)
        except OverflowError:
            self.fail(f"{value!r} is out of range.", param, ctx)
