"""Where tasks wait: what Celery needs to know about the broker, and whether it can be reached.

`CELERY_BROKER_URL` is `pgmq://` for tables beside our own in PostgreSQL (the default), `pgmq://user@host/database` for
tables elsewhere, or a `redis://` or `amqp://` URL.
"""

import socket
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.engine import make_url

from tuike.config import Config

VISIBILITY_TIMEOUT_S = 300
"""After this a task whose worker died is given to another; longer than any task may run (workers/celery_app.py)."""

_DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671}


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker as Celery takes it; `postgres_url` is set when it is PostgreSQL."""

    url: str = field(repr=False)
    transport_options: dict[str, Any] = field(repr=False)
    postgres_url: str | None = field(default=None, repr=False)


def read_broker(config: Config) -> Broker:
    """Return the broker that the configuration names."""
    url = config.celery_broker_url or "pgmq://"
    scheme = urlsplit(url).scheme
    if scheme == "pgmq":
        own = make_url((config.database_url or "postgresql://") if url == "pgmq://" else url)
        postgres_url = own.set(drivername="postgresql").render_as_string(hide_password=False)
        return Broker("pgmq://", _make_pgmq_options(postgres_url), postgres_url)
    if scheme in ("redis", "rediss"):
        timeouts = {"socket_connect_timeout": 5, "socket_timeout": 30, "health_check_interval": 10}
        return Broker(url, {"visibility_timeout": VISIBILITY_TIMEOUT_S, **timeouts})
    return Broker(url, {})


def _make_pgmq_options(postgres_url: str) -> dict[str, Any]:
    return {
        # As key=value: pgmq's reader of URLs drops `?host=`, and with it the unix socket.
        "conn_string": make_conninfo("", **conninfo_to_dict(postgres_url)),
        "init_extension": False,  # plain tables, made by `tuike.db.migrate`
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "pool_size": 2,
        "pool_timeout": 5,
        # Look for messages; do not be woken by NOTIFY: every process that opens a channel would LISTEN, and one that
        # only sends (the scheduler) never reads, until its full socket blocks the backend and with it DROP DATABASE.
        "use_notify": False,
        # No reads that wait in the server: they wait queue by queue.
        "wait_time_seconds": 0,
        "polling_interval": 0.25,
    }


def is_up(config: Config, *, seconds: int = 2) -> bool:
    """Tell whether the broker answers within `seconds`."""
    broker = read_broker(config)
    if broker.postgres_url is not None:
        return _is_postgres_up(broker.postgres_url, seconds)
    if urlsplit(broker.url).scheme in ("redis", "rediss"):
        return _is_redis_up(broker.url, seconds)
    return _is_listening(broker.url, seconds)


def _is_postgres_up(url: str, seconds: int) -> bool:
    options = f"-c statement_timeout={seconds * 1000}"
    try:
        with psycopg.connect(url, connect_timeout=seconds, options=options) as connection:
            connection.execute("SELECT 1 FROM pgmq.meta LIMIT 1")
        return True
    except psycopg.Error:
        return False


def _is_redis_up(url: str, seconds: int) -> bool:
    import redis  # takes its time to import, and most processes never need it

    try:
        with redis.Redis.from_url(url, socket_connect_timeout=seconds, socket_timeout=seconds) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _is_listening(url: str, seconds: int) -> bool:
    parts = urlsplit(url)
    address = (parts.hostname or "localhost", parts.port or _DEFAULT_PORTS.get(parts.scheme, 5672))
    try:
        with closing(socket.create_connection(address, timeout=seconds)):
            return True
    except OSError:
        return False
