"""The whole configuration, read once from the environment; nothing else reads `os.environ`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Config:
    """Where the parts are and how large they may grow. Every field's variable is documented in docs/operations.md."""

    database_url: str = ""
    neo4j_uri: str = ""
    neo4j_user: str = "neo4j"
    neo4j_password: str = field(default="", repr=False)
    neo4j_database: str = "neo4j"
    celery_broker_url: str = ""
    public_url: str = "http://127.0.0.1:8000"
    shop_url: str = "https://shop.example"
    log_level: str = "INFO"
    db_pool_size: int = 12
    graph_timeout_ms: int = 5_000


VARIABLES = {
    "DATABASE_URL": "database_url",
    "NEO4J_URI": "neo4j_uri",
    "NEO4J_USER": "neo4j_user",
    "NEO4J_PASSWORD": "neo4j_password",
    "NEO4J_DATABASE": "neo4j_database",
    "CELERY_BROKER_URL": "celery_broker_url",
    "TUIKE_PUBLIC_URL": "public_url",
    "TUIKE_SHOP_URL": "shop_url",
    "TUIKE_LOG_LEVEL": "log_level",
    "TUIKE_DB_POOL_SIZE": "db_pool_size",
    "TUIKE_GRAPH_TIMEOUT_MS": "graph_timeout_ms",
}


def read_config(environ: Mapping[str, str] | None = None) -> Config:
    """Return the configuration that the environment describes; unset variables take their defaults.

    Raises ValueError naming the variable when a number is not one.
    """
    source = os.environ if environ is None else environ
    values: dict[str, str | int] = {}
    for variable, name in VARIABLES.items():
        if variable not in source:
            continue
        raw = source[variable]
        if Config.__dataclass_fields__[name].type in (int, "int"):
            try:
                values[name] = int(raw)
            except ValueError:
                raise ValueError(f"{variable} must be a whole number, not {raw!r}") from None
        else:
            values[name] = raw
    return Config(**values)  # type: ignore[arg-type]
