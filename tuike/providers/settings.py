"""From the configuration to clients, each built when it is first asked for."""

import os
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from tuike.config import VARIABLES, Config
from tuike.providers.alipay import Alipay, build_application
from tuike.providers.http import Limits, Transport
from tuike.providers.model import Provider, ProviderNotConfigured
from tuike.providers.signing import load_private_key, load_public_key
from tuike.providers.wechat import TokenStore, WeChat
from tuike.providers.wechat_pay import Merchant, WeChatPay

Value = TypeVar("Value")

_NEEDED: Mapping[Provider, tuple[str, ...]] = {
    Provider.WECHAT: ("wechat_app_id", "wechat_app_secret"),
    Provider.WECHAT_PAY: (
        "wechat_app_id", "wechat_pay_merchant_id", "wechat_pay_certificate_serial", "wechat_pay_private_key",
        "wechat_pay_api_v3_key",
    ),
    Provider.ALIPAY: ("alipay_app_id", "alipay_private_key", "alipay_public_key"),
}  # fmt: skip
_VARIABLE_OF = {name: variable for variable, name in VARIABLES.items()}
_MAX_KEY_BYTES = 100_000


class Providers:
    """The clients that the configuration leads to; safe to share between threads.

    Asking for one whose variables are unset raises ProviderNotConfigured naming the first that is missing; a key that
    cannot be read raises ValueError naming its variable.
    """

    def __init__(self, config: Config, *, tokens: TokenStore | None = None, limits: Limits | None = None) -> None:
        self._config = config
        self._tokens = tokens
        self._limits = limits
        self._lock = threading.Lock()
        self._wechat: WeChat | None = None
        self._wechat_pay: WeChatPay | None = None
        self._alipay: Alipay | None = None

    @property
    def wechat(self) -> WeChat:
        """The mini-program's server API."""
        with self._lock:
            if self._wechat is None:
                self._check(Provider.WECHAT)
                config = self._config
                self._wechat = WeChat(
                    self._open(Provider.WECHAT, "wechat_url"), app_id=config.wechat_app_id,
                    app_secret=config.wechat_app_secret, tokens=self._tokens, push_token=config.wechat_push_token,
                    push_key=config.wechat_push_key,
                )  # fmt: skip
            return self._wechat

    @property
    def wechat_pay(self) -> WeChatPay:
        """WeChat Pay."""
        with self._lock:
            if self._wechat_pay is None:
                self._check(Provider.WECHAT_PAY)
                config = self._config
                if len(config.wechat_pay_api_v3_key.encode()) != 32:
                    raise ValueError("TUIKE_WECHAT_PAY_API_V3_KEY must have 32 bytes")
                public_keys = {}
                if config.wechat_pay_public_key_id:
                    key = self._load("wechat_pay_public_key", load_public_key)
                    public_keys[config.wechat_pay_public_key_id] = key
                self._wechat_pay = WeChatPay(
                    self._open(Provider.WECHAT_PAY, "wechat_pay_url"),
                    merchant=Merchant(
                        app_id=config.wechat_app_id,
                        merchant_id=config.wechat_pay_merchant_id,
                        certificate_serial=config.wechat_pay_certificate_serial,
                        key=self._load("wechat_pay_private_key", load_private_key),
                    ),
                    api_v3_key=config.wechat_pay_api_v3_key,
                    public_keys=public_keys,
                )
            return self._wechat_pay

    @property
    def alipay(self) -> Alipay:
        """Alipay."""
        with self._lock:
            if self._alipay is None:
                self._check(Provider.ALIPAY)
                config = self._config
                application = build_application(
                    app_id=config.alipay_app_id,
                    key=self._load("alipay_private_key", load_private_key),
                    app_certificate=self._load("alipay_app_certificate", str) if config.alipay_app_certificate else "",
                    root_certificate=(
                        self._load("alipay_root_certificate", str) if config.alipay_root_certificate else ""
                    ),
                )
                self._alipay = Alipay(
                    self._open(Provider.ALIPAY, "alipay_url"), application=application,
                    alipay_key=self._load("alipay_public_key", load_public_key),
                )  # fmt: skip
            return self._alipay

    def has(self, provider: Provider) -> bool:
        """Tell whether a provider's variables are set."""
        return all(getattr(self._config, name) for name in _NEEDED[provider])

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for client in (self._wechat, self._wechat_pay, self._alipay):
                if client is not None:
                    client.close()

    def _check(self, provider: Provider) -> None:
        for name in _NEEDED[provider]:
            if not getattr(self._config, name):
                raise ProviderNotConfigured(provider, _VARIABLE_OF[name])

    def _open(self, provider: Provider, name: str) -> Transport:
        url = getattr(self._config, name)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
            raise ValueError(f"{_VARIABLE_OF[name]} must be an http or https address without a query")
        return Transport(provider, url, limits=self._limits)

    def _load(self, name: str, load: Callable[[str], Value]) -> Value:
        variable = _VARIABLE_OF[name]
        try:
            return load(read_key_text(getattr(self._config, name)))
        except (ValueError, OSError):  # neither may carry the key into a log
            raise ValueError(f"{variable} holds neither a readable key nor the path of one") from None


def is_any_configured(config: Config) -> bool:
    """Tell whether the configuration leads to any real provider."""
    return bool(config.wechat_app_id or config.wechat_pay_merchant_id or config.alipay_app_id)


def read_key_text(value: str) -> str:
    """Return the text of a key given as PEM (on one line if need be), as a path, or as bare Base64."""
    if "-----BEGIN" in value:
        return value.replace("\\n", "\n")
    if os.path.isfile(value):  # noqa: PTH113 - pathlib's raises for what is too long to be a name
        with open(value) as file:
            return file.read(_MAX_KEY_BYTES)
    return value
