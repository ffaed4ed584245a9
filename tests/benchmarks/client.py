"""The leanest HTTP client there is, so that what is measured is the server: one kept connection, bytes in, bytes out."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit


class Client:
    """One connection to the API; not for several threads at once."""

    def __init__(self, url: str, key: str) -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        self._socket = socket.create_connection((place.hostname, place.port or 80), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"Host: {place.netloc}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"

    def post(self, path: str, body: dict[str, Any], *, status: int = 201) -> Any:
        """Send a change and return the answer's document. Raises AssertionError for another status."""
        content = json.dumps(body).encode()
        head = f"POST /api/v1{path} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n"
        return self._send(head.encode() + content, status)

    def put(self, path: str, body: dict[str, Any], *, status: int = 200) -> Any:
        """Send a replacement and return the answer's document."""
        content = json.dumps(body).encode()
        head = f"PUT /api/v1{path} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n"
        return self._send(head.encode() + content, status)

    def get(self, path: str, *, status: int = 200) -> Any:
        """Return the document at a path."""
        return self._send(f"GET /api/v1{path} HTTP/1.1\r\n{self._head}\r\n".encode(), status)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _send(self, request: bytes, status: int) -> Any:
        self._socket.sendall(request)
        received = self._socket.recv(65536)
        while b"\r\n\r\n" not in received:
            received += self._read_more()
        head, _, content = received.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        while len(content) < length:
            content += self._read_more()
        answered = int(head.split(b" ", 2)[1])
        if answered != status:
            raise AssertionError(f"{request.split(b' HTTP')[0].decode()} was answered {answered}: {content.decode()}")
        return json.loads(content)

    def _read_more(self) -> bytes:
        more = self._socket.recv(65536)
        if not more:
            raise AssertionError("the server closed the connection")
        return more
