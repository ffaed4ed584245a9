"""The way of every call: a fault before, the host's own check and act, the signature, a fault after."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Response, request

from simulator.faults import Fault
from simulator.world import World

MAX_BYTES = 1_000_000


def misbehave_before(fault: Fault | None) -> Response | None:
    """Do what a fault wants before anything is carried out; None to go on."""
    if fault is None or fault.when != "before":
        return None
    return _misbehave(fault)


def misbehave_after(fault: Fault | None, answer: Response) -> Response:
    """Do what a fault wants once the call was carried out."""
    if fault is None:
        return answer
    if fault.kind == "drip":
        body = answer.get_data()
        answer.response = _drip(body, fault.seconds)
        answer.headers["Content-Length"] = str(len(body))
        return answer
    if fault.when == "after":
        return _misbehave(fault) or answer
    return answer


def _misbehave(fault: Fault) -> Response | None:
    if fault.kind == "garbage" and fault.body is not None:
        return Response(json.dumps(fault.body), fault.status, mimetype="application/json")
    if fault.kind == "garbage":
        return Response("<html><body>502 Bad Gateway</body></html>", fault.status, mimetype="text/html")
    if fault.kind == "huge":
        return Response("{" + " " * fault.bytes + "}", 200, mimetype="application/json")
    if fault.kind in ("hang", "drop"):
        time.sleep(fault.seconds)
        cut_connection()
        return Response(status=500)
    return None


def cut_connection() -> None:
    """End the connection without an answer."""
    connection = request.environ.get("werkzeug.socket")
    if connection is not None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def read_raw_path(prefix: str) -> str:
    """Return path and query exactly as they were sent, without the prefix that names the host."""
    raw = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path)
    if "://" in raw:
        raw = "/" + raw.split("/", 3)[3]
    return raw.removeprefix(prefix)


def take_fault(world: World, call: str) -> Fault | None:
    """Return the fault that waits for a call."""
    world.ripen()
    with world.lock:
        return world.faults.take(call)


def pick(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return those members of a document."""
    return {name: document[name] for name in names}


View = Callable[..., Any]


def _drip(body: bytes, seconds: float) -> Iterator[bytes]:
    for index in range(len(body)):
        time.sleep(seconds / max(1, len(body)))
        yield body[index : index + 1]
