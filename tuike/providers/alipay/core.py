"""The way to Alipay and back: sign, send, verify, read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from tuike.providers.alipay.signing import (
    number_certificate,
    number_root_certificates,
    sign_params,
    split_answer,
)
from tuike.providers.http import Answer, Repeat, Request, Transport
from tuike.providers.model import (
    Provider,
    ProviderAnswerInvalid,
    ProviderNotFound,
    ProviderRefused,
    ProviderUnavailable,
)
from tuike.providers.signing import is_signed
from tuike.shared.clock import read_clock

log = structlog.get_logger(__name__)

_ZONE = timezone(timedelta(hours=8))
_DONE = "10000"
_UNKNOWN = "20000"
_BUSY_ENDS = ("SYSTEM_ERROR", "unknow-error", "aop.unknow-error", "REQUEST_PROCESSING")
_LIMITED = frozenset({"isv.call-limited", "isv.app-call-limited", "isv.method-call-limited"})
_ABSENT = frozenset({"ACQ.TRADE_NOT_EXIST", "ORDER_NOT_EXIST", "isp.bill_not_exist"})


@dataclass(frozen=True, slots=True)
class Application:
    """Who we are to Alipay. The numbers are those of our certificate and of the roots; empty without certificates."""

    app_id: str
    key: RSAPrivateKey = field(repr=False)
    certificate_no: str = ""
    root_certificate_no: str = ""


def build_application(
    *, app_id: str, key: RSAPrivateKey, app_certificate: str = "", root_certificate: str = ""
) -> Application:
    """Return the application, in certificate mode when both certificates (PEM) are given. Raises ValueError."""
    if not (app_certificate and root_certificate):
        return Application(app_id, key)
    return Application(app_id, key, number_certificate(app_certificate), number_root_certificates(root_certificate))


def format_time(instant: datetime) -> str:
    """Return an instant as Alipay writes it: Beijing time without an offset."""
    return instant.astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def read_time(text: Any) -> datetime | None:
    """Return the instant, None for nothing. Raises ValueError."""
    if not text:
        return None
    return datetime.fromisoformat(str(text)[:19]).replace(tzinfo=_ZONE).astimezone(UTC)


class Core:
    """Signs what we send and believes only what Alipay signed."""

    def __init__(
        self,
        transport: Transport,
        *,
        application: Application,
        alipay_key: RSAPublicKey,
        clock: Callable[[], datetime] = read_clock,
    ) -> None:
        self.application = application
        self._transport = transport
        self._alipay_key = alipay_key
        self._clock = clock

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def call(
        self,
        method: str,
        content: Mapping[str, Any] | None = None,
        *,
        notify_url: str | None = None,
        repeat: Repeat = Repeat.HARMLESS,
        also: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the answer's document.

        Raises ProviderUnavailable, ProviderAnswerInvalid, ProviderRefused with the sub_code, ProviderNotFound.
        """
        params = {
            "app_id": self.application.app_id, "method": method, "format": "JSON", "charset": "utf-8",
            "sign_type": "RSA2", "timestamp": format_time(self._clock()), "version": "1.0",
            "notify_url": notify_url or "", "app_cert_sn": self.application.certificate_no,
            "alipay_root_cert_sn": self.application.root_certificate_no, **(also or {}),
        }  # fmt: skip
        if content is not None:
            params["biz_content"] = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        params = {name: value for name, value in params.items() if value}
        params["sign"] = sign_params(params, self.application.key)
        request = Request(
            method, "POST", "", query={"charset": "utf-8"}, body=urlencode(params).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded;charset=utf-8"},
        )  # fmt: skip
        answer = self._transport.send(request, repeat=repeat, find_busy=self._find_busy)
        return self._read(method, answer)

    def _find_busy(self, answer: Answer) -> str | None:
        """Return why an answer means "try again"; only codes are read, so an unsigned one does no harm."""
        if answer.status != 200:
            return None
        try:
            members = split_answer(answer.body.decode())
            document = next(json.loads(text) for name, text in members.items() if name.endswith("_response"))
            return _decide_busy(document)
        except (ValueError, StopIteration, RecursionError, AttributeError):
            return None

    def _read(self, method: str, answer: Answer) -> dict[str, Any]:
        if answer.status != 200:
            raise ProviderAnswerInvalid(Provider.ALIPAY, f"http_{answer.status}")
        try:
            members = split_answer(answer.body.decode())
            signed = members.get(f"{method.replace('.', '_')}_response") or members["error_response"]
            document = json.loads(signed)
            signature = json.loads(members["sign"]) if "sign" in members else ""
            code, sub_code = str(document.get("code", _DONE)), str(document.get("sub_code", ""))[:64]
        except (ValueError, KeyError, AttributeError, RecursionError):
            raise ProviderAnswerInvalid(Provider.ALIPAY, "not_as_documented") from None
        is_error = code != _DONE or "error_response" in members
        # Refusals come without a signature where Alipay does not know who asks.
        if (signature or not is_error) and not is_signed(self._alipay_key, str(signature), signed.encode()):
            log.error("alipay.answer_untrusted", call=method, code=code, sub_code=sub_code)
            raise ProviderAnswerInvalid(Provider.ALIPAY, "signature_invalid")
        if not is_error:
            return dict(document)
        busy = _decide_busy(document)
        if busy is not None:
            raise ProviderUnavailable(Provider.ALIPAY, busy, is_outcome_unknown=True)
        log.warning("alipay.refused", call=method, code=code, sub_code=sub_code)
        refusal = ProviderNotFound if sub_code in _ABSENT else ProviderRefused
        raise refusal(Provider.ALIPAY, sub_code or code, str(document.get("sub_msg", ""))[:200])


def _decide_busy(document: Mapping[str, Any]) -> str | None:
    sub_code = str(document.get("sub_code", ""))
    if sub_code.endswith(_BUSY_ENDS) or sub_code in _LIMITED:
        return sub_code[:64].lower()
    return "unknown" if str(document.get("code")) == _UNKNOWN else None
