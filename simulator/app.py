"""The process: one WSGI application over one world, served by threads."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

from simulator.alipay import make_alipay
from simulator.bills import make_bills
from simulator.control import make_control
from simulator.keys import list_settings, write_private
from simulator.page import make_page
from simulator.pay import PayDesk, make_payments
from simulator.postman import Postman
from simulator.serving import MAX_BYTES
from simulator.transfers import make_transfers
from simulator.wechat import make_wechat
from simulator.world import World


class Simulator:
    """A world, its hosts, and the postman; `serve` runs until `stop`."""

    def __init__(self, directory: Path, *, host: str = "127.0.0.1", port: int = 0, time_factor: float = 1.0) -> None:
        self.world = World(directory.resolve(), time_factor=time_factor)
        self.desk = PayDesk(self.world)
        self.postman = Postman(self.world, self.desk)
        self.server = make_server(host, port, self._make_app(), threaded=True, request_handler=_Handler)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.server.port}"
        self._write_settings()

    def serve(self) -> None:
        """Answer until `stop` is called from another thread."""
        self.postman.start()
        try:
            self.server.serve_forever(poll_interval=0.05)
        finally:
            self.postman.stop()
            self.server.server_close()
            with self.world.lock:
                self.world.records.close()

    def stop(self) -> None:
        """End `serve`."""
        self.server.shutdown()

    def list_settings(self) -> dict[str, str]:
        """Return the variables that lead a merchant's programs here."""
        assert self.world.directory is not None
        return list_settings(self.world.keys, self.world.directory, self.url)

    def _make_app(self) -> Flask:
        app = Flask(__name__, static_folder=None)
        app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES
        app.before_request(_refuse_strangers)
        make_payments(self.desk)
        make_transfers(self.desk)
        make_bills(self.desk)
        app.register_blueprint(self.desk.routes)
        app.register_blueprint(make_wechat(self.world))
        app.register_blueprint(make_alipay(self.world))
        app.register_blueprint(make_control(self.world, self.desk, self.postman, self.list_settings))
        app.register_blueprint(make_page(self.world, self.desk, self.postman))
        return app

    def _write_settings(self) -> None:
        assert self.world.directory is not None
        settings = self.list_settings()
        write_private(self.world.directory / "settings.json", json.dumps(settings, indent=1))
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        write_private(self.world.directory / "settings.env", lines)


def _refuse_strangers() -> Response | None:
    """A page elsewhere may not pay, confirm or change anything through the browser of somebody who works here."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return Response("", 403)
    return None


class _Handler(WSGIRequestHandler):
    """Keeps connections open and its mouth shut."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def log(self, type: str, message: str, *args: object) -> None:
        """Log nothing: requests carry tokens."""


@contextmanager
def run_simulator(directory: Path, *, time_factor: float = 1.0) -> Iterator[Simulator]:
    """Serve from a thread for the length of a block, on a free port of loopback."""
    simulator = Simulator(directory, time_factor=time_factor)
    thread = threading.Thread(target=simulator.serve, name="simulator", daemon=True)
    thread.start()
    try:
        yield simulator
    finally:
        simulator.stop()
        thread.join(10)
