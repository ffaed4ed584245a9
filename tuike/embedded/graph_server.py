"""The graph server's own process: `python -P graph_server.py`, its settings as JSON on stdin.

It writes its pid to the ready file once the database answers, and ends on SIGTERM or when its parent is gone.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any


def main() -> None:
    settings: dict[str, Any] = json.load(sys.stdin)
    # Blocked before the JVM starts, so that no thread of its own takes them: the main thread waits for them below.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()

    import arcadedb_embedded

    server = arcadedb_embedded.ArcadeDBServer(
        root_path=settings["directory"],
        root_password=settings["password"],
        config={
            "mode": "production",
            "http_port": settings["http_port"],
            "bolt_port": settings["bolt_port"],
            "server_plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        },
        jvm_kwargs={"heap_size": settings["heap"], "jvm_args": settings["jvm_args"]},
    )
    server.start()
    server.create_database(settings["database"])
    Path(settings["ready_file"]).write_text(str(os.getpid()))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop()


def _watch_parent(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
