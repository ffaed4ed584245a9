"""`tuike up`."""

from pathlib import Path

import click

from tuike.cli.session import prepare, takes_data_dir


@click.command()
@takes_data_dir
@click.option("--host", default="127.0.0.1", show_default=True, metavar="H", help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="The port to listen on, 8000 unless said otherwise; the next free one when it is taken.",
)
@click.option(
    "--simulator/--no-simulator",
    "wants_simulator",
    default=None,
    help="Run stand-ins for WeChat and Alipay beside, or do not; they run unless a real one is configured.",
)
def up(directory: Path, host: str, port: int | None, wants_simulator: bool | None) -> None:
    """Run the whole embedded stack in the foreground until SIGTERM or Ctrl-C.

    PostgreSQL, graph server, API, workers and scheduler; parts that die are started again. Prints `ready http://H:N`
    when a request will succeed, and `simulator http://H:N` after it where stand-ins for WeChat and Alipay run: there a
    person pays and confirms. The data directory stays usable afterwards.
    """
    from tuike.config import read_config
    from tuike.embedded.directory import DataDirectory
    from tuike.embedded.supervisor import Stopped, Supervisor, choose_port, choose_simulator_port
    from tuike.providers import is_any_configured
    from tuike.shared.logs import configure_logs

    config = read_config()
    if wants_simulator is None:
        wants_simulator = not is_any_configured(config)
    configure_logs(config.log_level)
    chosen = choose_port(host, port)
    if port is not None and chosen != port:
        click.echo(f"Port {port} is taken; listening on {chosen} instead.", err=True)
    supervisor = Supervisor(
        DataDirectory(directory),
        host=host,
        port=chosen,
        broker_url=config.celery_broker_url or "pgmq://",
        prepare=lambda settings: prepare(read_config(settings)),
        simulator_port=choose_simulator_port() if wants_simulator else None,
    )

    def tell(url: str) -> None:
        click.echo(f"ready {url}")
        if supervisor.simulator_url is not None:
            click.echo(f"simulator {supervisor.simulator_url}")

    try:
        supervisor.run(tell)
    except Stopped:
        return
