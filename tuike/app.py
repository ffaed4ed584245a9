"""The composition root: builds the parts from the configuration and hands them out together."""

from dataclasses import dataclass, field

import psycopg

from tuike import broker
from tuike.config import Config
from tuike.db import Database
from tuike.graph import Graph
from tuike.identity import Vault
from tuike.payments import Counter
from tuike.providers import DatabaseTokenStore, Providers
from tuike.workbench import Desk

_CHECK_SECONDS = 2


@dataclass(frozen=True, slots=True)
class App:
    """What every entry point (API, worker, command) works with; close it when the process ends."""

    db: Database
    graph: Graph
    config: Config
    providers: Providers = field(init=False)
    """Clients of outside services, built from `config` when they are first asked for."""
    counter: Counter = field(init=False)
    """The desks at which payments are made."""
    vault: Vault = field(init=False)
    """The installation's own keys."""
    desk: Desk = field(init=False)
    """Where analysts ask the graph; connects when it is first asked."""

    def __post_init__(self) -> None:
        config = self.config
        providers = Providers(config, tokens=DatabaseTokenStore(self.db))
        counter = Counter(
            providers,
            config.public_url,
            scene_id=config.wechat_pay_transfer_scene_id,
            wechat_app_id=config.wechat_app_id,
            alipay_app_id=config.alipay_app_id,
        )
        vault = Vault(token_keys=config.token_keys, data_keys=config.data_keys, digest_key=config.digest_key)
        for name, part in (
            ("providers", providers),
            ("counter", counter),
            ("vault", vault),
            ("desk", Desk(config)),
        ):
            object.__setattr__(self, name, part)  # frozen, and these are their first values

    def check_parts(self) -> dict[str, str]:
        """Return `up` or `down` for `postgres`, `graph` and `queue`, each asked with a short time limit."""
        checks = {
            "postgres": _is_postgres_up(self.config),
            "graph": self.graph.check(),
            "queue": broker.is_up(self.config, seconds=_CHECK_SECONDS),
        }
        return {part: "up" if is_up else "down" for part, is_up in checks.items()}

    def close(self) -> None:
        """Close every connection."""
        self.providers.close()
        self.desk.close()
        self.graph.close()
        self.db.close()


def build_app(config: Config, *, application_name: str = "tuike") -> App:
    """Return the parts that `config` leads to; nothing is contacted yet.

    Raises ValueError naming the variable that is missing.
    """
    for variable, value in (("DATABASE_URL", config.database_url), ("NEO4J_URI", config.neo4j_uri)):
        if not value:
            raise ValueError(f"{variable} is not set; `tuike up` sets it for its own stack.")
    database = Database(config.database_url, pool_size=config.db_pool_size, application_name=application_name)
    return App(db=database, graph=Graph(config), config=config)


def _is_postgres_up(config: Config) -> bool:
    url = config.database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    options = f"-c statement_timeout={_CHECK_SECONDS * 1000}"
    try:
        with psycopg.connect(url, connect_timeout=_CHECK_SECONDS, options=options) as connection:
            connection.execute("SELECT 1")
        return True
    except psycopg.Error:
        return False
