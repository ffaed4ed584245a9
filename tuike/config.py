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
    neo4j_reader: str = ""
    neo4j_reader_password: str = field(default="", repr=False)
    celery_broker_url: str = ""
    public_url: str = "http://127.0.0.1:8000"
    shop_url: str = "https://shop.example"
    log_level: str = "INFO"
    db_pool_size: int = 12
    graph_timeout_ms: int = 5_000
    wechat_url: str = "https://api.weixin.qq.com"
    wechat_app_id: str = ""
    wechat_app_secret: str = field(default="", repr=False)
    wechat_push_token: str = field(default="", repr=False)
    wechat_push_key: str = field(default="", repr=False)
    wechat_pay_url: str = "https://api.mch.weixin.qq.com"
    wechat_pay_merchant_id: str = ""
    wechat_pay_certificate_serial: str = ""
    wechat_pay_private_key: str = field(default="", repr=False)
    wechat_pay_api_v3_key: str = field(default="", repr=False)
    wechat_pay_public_key_id: str = ""
    wechat_pay_public_key: str = field(default="", repr=False)
    wechat_pay_transfer_scene_id: str = "1005"
    alipay_url: str = "https://openapi.alipay.com/gateway.do"
    alipay_app_id: str = ""
    alipay_private_key: str = field(default="", repr=False)
    alipay_public_key: str = field(default="", repr=False)
    alipay_app_certificate: str = field(default="", repr=False)
    alipay_root_certificate: str = field(default="", repr=False)
    trusted_proxies: int = 0
    risk_sweep_hours: int = 24
    risk_sweep_minutes: int = 120
    token_keys: str = field(default="", repr=False)
    data_keys: str = field(default="", repr=False)
    digest_key: str = field(default="", repr=False)
    media_storage: str = ".tuike/media"
    media_url: str = ""
    media_endpoint: str = ""
    media_region: str = "us-east-1"
    media_key: str = field(default="", repr=False)
    media_secret: str = field(default="", repr=False)

    def as_variables(self) -> dict[str, str]:
        """Return every setting by the name of its variable."""
        return {variable: str(getattr(self, name)) for variable, name in VARIABLES.items()}


VARIABLES = {
    "DATABASE_URL": "database_url",
    "NEO4J_URI": "neo4j_uri",
    "NEO4J_USER": "neo4j_user",
    "NEO4J_PASSWORD": "neo4j_password",
    "NEO4J_DATABASE": "neo4j_database",
    "NEO4J_READER": "neo4j_reader",
    "NEO4J_READER_PASSWORD": "neo4j_reader_password",
    "CELERY_BROKER_URL": "celery_broker_url",
    "TUIKE_PUBLIC_URL": "public_url",
    "TUIKE_SHOP_URL": "shop_url",
    "TUIKE_LOG_LEVEL": "log_level",
    "TUIKE_DB_POOL_SIZE": "db_pool_size",
    "TUIKE_GRAPH_TIMEOUT_MS": "graph_timeout_ms",
    "TUIKE_WECHAT_URL": "wechat_url",
    "TUIKE_WECHAT_APP_ID": "wechat_app_id",
    "TUIKE_WECHAT_APP_SECRET": "wechat_app_secret",
    "TUIKE_WECHAT_PUSH_TOKEN": "wechat_push_token",
    "TUIKE_WECHAT_PUSH_KEY": "wechat_push_key",
    "TUIKE_WECHAT_PAY_URL": "wechat_pay_url",
    "TUIKE_WECHAT_PAY_MERCHANT_ID": "wechat_pay_merchant_id",
    "TUIKE_WECHAT_PAY_CERTIFICATE_SERIAL": "wechat_pay_certificate_serial",
    "TUIKE_WECHAT_PAY_PRIVATE_KEY": "wechat_pay_private_key",
    "TUIKE_WECHAT_PAY_API_V3_KEY": "wechat_pay_api_v3_key",
    "TUIKE_WECHAT_PAY_PUBLIC_KEY_ID": "wechat_pay_public_key_id",
    "TUIKE_WECHAT_PAY_PUBLIC_KEY": "wechat_pay_public_key",
    "TUIKE_WECHAT_PAY_TRANSFER_SCENE_ID": "wechat_pay_transfer_scene_id",
    "TUIKE_ALIPAY_URL": "alipay_url",
    "TUIKE_ALIPAY_APP_ID": "alipay_app_id",
    "TUIKE_ALIPAY_PRIVATE_KEY": "alipay_private_key",
    "TUIKE_ALIPAY_PUBLIC_KEY": "alipay_public_key",
    "TUIKE_ALIPAY_APP_CERTIFICATE": "alipay_app_certificate",
    "TUIKE_ALIPAY_ROOT_CERTIFICATE": "alipay_root_certificate",
    "TUIKE_TRUSTED_PROXIES": "trusted_proxies",
    "TUIKE_RISK_SWEEP_HOURS": "risk_sweep_hours",
    "TUIKE_RISK_SWEEP_MINUTES": "risk_sweep_minutes",
    "TUIKE_TOKEN_KEYS": "token_keys",
    "TUIKE_DATA_KEYS": "data_keys",
    "TUIKE_DIGEST_KEY": "digest_key",
    "TUIKE_MEDIA_STORAGE": "media_storage",
    "TUIKE_MEDIA_URL": "media_url",
    "TUIKE_MEDIA_ENDPOINT": "media_endpoint",
    "TUIKE_MEDIA_REGION": "media_region",
    "TUIKE_MEDIA_KEY": "media_key",
    "TUIKE_MEDIA_SECRET": "media_secret",
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
