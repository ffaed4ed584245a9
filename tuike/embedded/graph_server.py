"""The graph server's own process: `python -P graph_server.py`, its settings as JSON on stdin.

It writes its pid to the ready file once the database answers, and ends on SIGTERM or when its parent is gone.

Besides root there is a user for queries of analysts: its group may read records and nothing else, its queries end after
`_READ_MS` at the latest, and all of them are ended while the heap is nearly full, as a server without memory dies.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

_GROUP = "readers"
_READ_MS = 65_000  # a little more than a query of the workbench is ever given
_LOOK_EVERY_S = 0.05
_HEAP_FULL = 0.85


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
    _write_group(Path(settings["directory"]) / "config" / "server-groups.json")
    server.start()
    server.create_database(settings["database"])
    _make_reader(server._java_server, settings)  # noqa: SLF001 - the package offers no door to users
    Path(settings["ready_file"]).write_text(str(os.getpid()))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop()


def _write_group(path: Path) -> None:
    """Define the group of users that only read, before the server looks."""
    nobody = {"resultSetLimit": -1, "readTimeout": -1, "access": [], "types": {"*": {"access": []}}}
    records = ["createRecord", "readRecord", "updateRecord", "deleteRecord"]
    settings = ["updateSecurity", "updateSchema", "updateDatabaseSettings"]
    admin = {**nobody, "access": settings, "types": {"*": {"access": records}}}
    document: dict[str, Any] = {"databases": {"*": {"groups": {"admin": admin, "*": nobody}}}, "version": 2}
    if path.exists():
        document = json.loads(path.read_text())
    reader = {**nobody, "readTimeout": _READ_MS, "types": {"*": {"access": ["readRecord"]}}}
    document["databases"]["*"]["groups"][_GROUP] = reader
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=2))
    fresh.chmod(0o600)
    fresh.replace(path)


def _make_reader(server: Any, settings: dict[str, Any]) -> None:
    """Give the reading user its password, and begin to watch over what it runs."""
    import jpype

    security = server.getSecurity()
    name = settings["reader"]
    user = jpype.JClass("com.arcadedb.serializer.json.JSONObject")(
        json.dumps(
            {
                "name": name,
                "password": str(security.encodePassword(settings["reader_password"])),
                "databases": {settings["database"]: [_GROUP]},
            }
        )
    )
    if security.existsUser(name):
        security.updateUser(user)
    else:
        security.createUser(user)
    runtime = jpype.JClass("java.lang.Runtime").getRuntime()
    threading.Thread(target=_watch_heap, args=(runtime, server.getRunningQueries(), name), daemon=True).start()


def _watch_heap(runtime: Any, queries: Any, reader: str) -> None:
    """End the reader's queries while the heap is nearly full even of what was just collected."""
    limit = int(runtime.maxMemory() * _HEAP_FULL)
    while True:
        time.sleep(_LOOK_EVERY_S)
        if not queries.size() or runtime.totalMemory() - runtime.freeMemory() < limit:
            continue
        for query in queries.getRunning():
            if query.getUser() == reader:
                query.terminate("memory")


def _watch_parent(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
