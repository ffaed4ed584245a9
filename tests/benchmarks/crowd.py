"""Many clients at once from one thread: each keeps a connection and sends its next request when it has its answer.

As lean as it can be, so that what is measured is the server: bytes in, bytes out, one loop over `epoll`.
"""

import json
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 60.0


@dataclass(slots=True)
class Answers:
    """What a run brought: milliseconds of each request, statuses, and the bodies where they were asked for."""

    seconds: float = 0.0
    taken_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    bodies: dict[int, tuple[int, Any]] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.taken_ms) / self.seconds

    def expect(self, status: int) -> "Answers":
        """Return the answers if all have this status. Raises AssertionError."""
        if set(self.statuses) != {status}:
            raise AssertionError(f"{dict(self.statuses)} instead of {status}: {list(self.bodies.values())[:2]}")
        return self


class Crowd:
    """`size` connections to one server."""

    def __init__(self, url: str, size: int) -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        self._host = place.netloc.encode()
        self._poll = select.epoll()
        self._room = memoryview(bytearray(262_144))
        self._sockets = [self._open(place.hostname, place.port or 80) for _ in range(size)]
        self._by_no = {one.fileno(): number for number, one in enumerate(self._sockets)}

    def __len__(self) -> int:
        return len(self._sockets)

    def make_request(self, method: str, path: str, *, token: str = "", body: Any = None) -> bytes:
        """Return the bytes of a request under `/api/v1`."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} /api/v1{path} HTTP/1.1".encode(), b"Host: " + self._host, b"Accept-Encoding: gzip"]
        lines += [b"Authorization: Bearer " + token.encode()] if token else []
        if body is not None:
            lines += [b"Content-Type: application/json", f"Content-Length: {len(content)}".encode()]
        return b"\r\n".join([*lines, b"", content])

    def run(self, make: Callable[[int, int], bytes | None], *, keep: bool = False) -> Answers:
        """Send `make(client, nth)` for each client, answer by answer, until it returns None; `keep` parses bodies."""
        answers = Answers()
        nth, sent, received = [0] * len(self), [0.0] * len(self), [b""] * len(self)
        waiting: set[int] = set()
        start: deque[int] = deque(range(len(self)))
        begun = time.perf_counter()

        def send(client: int) -> None:
            request = make(client, nth[client])
            nth[client] += 1
            if request is None:
                waiting.discard(client)
                return
            waiting.add(client)
            received[client] = b""
            sent[client] = time.perf_counter()
            self._sockets[client].sendall(request)

        while start:
            send(start.popleft())
        while waiting:
            events = self._poll.poll(PATIENCE_S)
            if not events:
                raise AssertionError(f"{len(waiting)} requests were not answered within {PATIENCE_S:.0f} s")
            for no, _ in events:
                client = self._by_no[no]
                size = self._sockets[client].recv_into(self._room)
                if not size:
                    raise AssertionError("the server closed a connection")
                more = bytes(self._room[:size])
                received[client] = received[client] + more if received[client] else more
                body = _find_body(received[client])
                if body is None:
                    continue
                answers.taken_ms.append((time.perf_counter() - sent[client]) * 1000)
                status = int(received[client][9:12])
                answers.statuses[status] += 1
                if keep or status >= 400:
                    answers.bodies[client] = (status, json.loads(body) if body else None)
                send(client)
        answers.seconds = time.perf_counter() - begun
        return answers

    def close(self) -> None:
        """Close every connection."""
        for one in self._sockets:
            one.close()
        self._poll.close()

    def _open(self, host: str, port: int) -> socket.socket:
        opened = socket.create_connection((host, port), timeout=PATIENCE_S)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(opened.fileno(), select.EPOLLIN)
        return opened


def _find_body(received: bytes) -> bytes | None:
    """Return the body of an answer once all of it is there."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    at = received[:end].lower().find(b"content-length:")
    length = 0 if at < 0 else int(received[at + 15 : received.find(b"\r\n", at)])
    return received[end + 4 : end + 4 + length] if len(received) >= end + 4 + length else None
