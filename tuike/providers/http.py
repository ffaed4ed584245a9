"""One request to a provider: time limits, size limit, and repeats where a repeat does no harm."""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from enum import Enum

import httpx
import structlog

from tuike.providers.model import Provider, ProviderAnswerInvalid, ProviderUnavailable

log = structlog.get_logger(__name__)

for _name in ("httpx", "httpcore"):  # they log addresses, which hold secrets and tokens
    logging.getLogger(_name).setLevel(logging.WARNING)

_BUSY_STATUSES = frozenset({429, 500, 502, 503, 504})


class Repeat(Enum):
    """When a request may be sent again."""

    IF_NOT_SENT = "if_not_sent"
    """Only when no connection came about: for single-use codes and messages."""
    HARMLESS = "harmless"
    """Whatever happened: reads, and requests that carry a fixed out number."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much: for one connection, one silence, the whole request with its repeats, one answer."""

    connect_s: float = 2.0
    read_s: float = 5.0
    deadline_s: float = 10.0
    max_bytes: int = 2_000_000
    tries: int = 4
    first_wait_s: float = 0.2


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `name` stands in logs in place of the address; the address and the body never do."""

    name: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `headers` are read without regard to case."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)


class _Busy(Exception):
    """An answer or a failure that may be better at the next try."""

    def __init__(self, reason: str, *, is_sent: bool, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_sent = is_sent
        self.wait_s = wait_s


class Transport:
    """Requests to one host. Safe to share between threads; a forked child makes its own connections."""

    def __init__(
        self,
        provider: Provider,
        base_url: str,
        *,
        limits: Limits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.provider = provider
        self.base_url = base_url.rstrip("/")
        self.limits = limits or Limits()
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._pid = 0

    def send(
        self,
        request: Request,
        *,
        repeat: Repeat,
        sign: Callable[[Request], Mapping[str, str]] | None = None,
        find_busy: Callable[[Answer], str | None] | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """Return the provider's answer.

        `sign` gives the headers of each try anew; `find_busy` returns a reason when an answer means "try again".

        Raises ProviderUnavailable, ProviderAnswerInvalid (too large, encoded in a way we did not ask for).
        """
        end = self._monotonic() + self.limits.deadline_s
        was_sent = False
        for number in range(1, self.limits.tries + 1):
            begun = self._monotonic()
            signed = request if sign is None else replace(request, headers={**request.headers, **sign(request)})
            try:
                answer = self._try(signed, end=end, max_bytes=max_bytes or self.limits.max_bytes)
                _refuse_busy(answer, find_busy)
                self._log(request, answer.status, begun, number)
                return answer
            except _Busy as busy:
                was_sent = was_sent or busy.is_sent
                wait = max(busy.wait_s, random.uniform(0.5, 1.0) * self.limits.first_wait_s * 2 ** (number - 1))
                may_repeat = repeat is Repeat.HARMLESS or not was_sent
                is_over = number == self.limits.tries or self._monotonic() + wait >= end
                log.warning("provider.busy", provider=self.provider.value, call=request.name, reason=busy.reason,
                            attempt=number, gives_up=is_over or not may_repeat)  # fmt: skip
                if is_over or not may_repeat:
                    raise ProviderUnavailable(self.provider, busy.reason, is_outcome_unknown=was_sent) from None
                self._sleep(wait)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _try(self, request: Request, *, end: float, max_bytes: int) -> Answer:
        left = max(0.05, end - self._monotonic())
        timeout = httpx.Timeout(
            connect=min(self.limits.connect_s, left), read=min(self.limits.read_s, left),
            write=min(self.limits.read_s, left), pool=min(self.limits.connect_s, left),
        )  # fmt: skip
        with _failures_as_busy():
            with self._get_client().stream(
                request.method, self.base_url + request.path, params=dict(request.query) or None,
                content=request.body or None, headers=dict(request.headers), timeout=timeout,
            ) as response:  # fmt: skip
                encoding = response.headers.get("Content-Encoding", "identity")
                if encoding != "identity":
                    raise ProviderAnswerInvalid(self.provider, "encoded")
                return Answer(response.status_code, response.headers, self._read(response, end, max_bytes))

    def _read(self, response: httpx.Response, end: float, max_bytes: int) -> bytes:
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > max_bytes:
                raise ProviderAnswerInvalid(self.provider, "too_large")
            if self._monotonic() > end:
                raise _Busy("deadline", is_sent=True)
        return bytes(body)

    def _get_client(self) -> httpx.Client:
        with self._lock:
            if self._client is None or self._pid != os.getpid():
                self._client = httpx.Client(
                    follow_redirects=False,
                    trust_env=False,
                    headers={"Accept-Encoding": "identity", "User-Agent": "tuike"},
                    limits=httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=15),
                )
                self._pid = os.getpid()
            return self._client

    def _log(self, request: Request, status: int, begun: float, number: int) -> None:
        took_ms = round((self._monotonic() - begun) * 1000)
        log.debug("provider.answered", provider=self.provider.value, call=request.name, status=status,
                  took_ms=took_ms, attempt=number)  # fmt: skip


def _refuse_busy(answer: Answer, find_busy: Callable[[Answer], str | None] | None) -> None:
    reason = find_busy(answer) if find_busy is not None else None
    if reason is None and answer.status in _BUSY_STATUSES:
        reason = f"http_{answer.status}"
    if reason is not None:
        # 429 is said before anything is done.
        raise _Busy(reason, is_sent=answer.status != 429, wait_s=_read_retry_after(answer))


def _read_retry_after(answer: Answer) -> float:
    """Return the seconds that the answer asks us to wait, 0 when it does not say."""
    text = answer.headers.get("Retry-After", "")
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 86_400))
    try:
        at, date = parsedate_to_datetime(text), parsedate_to_datetime(answer.headers.get("Date", ""))
        return max(0.0, (at - date).total_seconds())
    except (ValueError, TypeError):
        return 0.0


@contextmanager
def _failures_as_busy() -> Iterator[None]:
    """Turn the ways in which a connection fails into one; `from None` keeps addresses out of tracebacks."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        raise _Busy("not_reached", is_sent=False) from None
    except httpx.TimeoutException:
        raise _Busy("timed_out", is_sent=True) from None
    except httpx.TransportError:
        raise _Busy("broken_off", is_sent=True) from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise _Busy("unreadable", is_sent=True) from None
