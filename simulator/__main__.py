"""`python -m simulator --directory DIR [--host H] [--port N] [--time-factor F]`."""

import argparse
import signal
import threading
from pathlib import Path
from types import FrameType

from simulator.app import Simulator


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="simulator", description="Stand-ins for WeChat, WeChat Pay and Alipay.")
    parser.add_argument("--directory", type=Path, required=True, help="where keys, state and settings are kept")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on, a free one unless said otherwise")
    parser.add_argument("--time-factor", type=float, default=1.0, help="how much of the real waits between notifies")
    given = parser.parse_args()
    simulator = Simulator(given.directory, host=given.host, port=given.port, time_factor=given.time_factor)

    def stop(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=simulator.stop, daemon=True).start()  # serve_forever cannot end itself

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    print(f"ready {simulator.url}", flush=True)  # noqa: T201 - a command prints
    simulator.serve()


if __name__ == "__main__":
    main()
