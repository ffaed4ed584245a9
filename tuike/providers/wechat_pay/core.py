"""The way to WeChat Pay and back: sign, send, verify, read."""

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tuike.providers.http import Answer, Repeat, Request, Transport
from tuike.providers.model import (
    Provider,
    ProviderAnswerInvalid,
    ProviderNotFound,
    ProviderRefused,
    ProviderUnavailable,
)
from tuike.providers.signing import (
    DecryptionFailed,
    decrypt_aes_gcm,
    format_serial,
    is_certificate_valid,
    load_certificate,
)
from tuike.providers.wechat_pay.signing import Merchant, Trust, decide_trust, make_authorization
from tuike.shared.clock import read_clock

log = structlog.get_logger(__name__)

_BUSY = frozenset({
    "SYSTEM_ERROR", "SYSTEMERROR", "FREQUENCY_LIMITED", "FREQUENCY_LIMIT_EXCEED", "RATELIMIT_EXCEEDED",
    "RATELIMIT_EXCEED", "BANK_ERROR", "BANKERROR",
})  # fmt: skip
_ABSENT = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS", "NOT_FOUND", "NO_STATEMENT_EXIST"})
_REFRESH_AFTER = timedelta(minutes=1)
Read = TypeVar("Read")


class Core:
    """Signs what we send and believes only what the platform signed.

    `public_keys` maps ids such as `PUB_KEY_ID_…` to WeChat Pay's public keys; the first is the one we ask for. Platform
    certificates are fetched when an answer or a notify is signed with a serial that is not known yet.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        merchant: Merchant,
        api_v3_key: str,
        public_keys: Mapping[str, RSAPublicKey],
        clock: Callable[[], datetime] = read_clock,
    ) -> None:
        self.merchant = merchant
        self._transport = transport
        self._secret = api_v3_key.encode()
        self._public_keys = dict(public_keys)
        self._clock = clock
        self._lock = threading.Lock()
        self._certificates: dict[str, x509.Certificate] = {}
        self._looked_at: datetime | None = None

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def call(
        self,
        name: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        serial: str | None = None,
    ) -> dict[str, Any]:
        """Return the answer's document, `{}` for 204. Every call here may be repeated: it reads, or has an out number.

        Raises ProviderUnavailable, ProviderAnswerInvalid, ProviderRefused, ProviderNotFound.
        """
        answer = self.fetch(name, method, path, query=query, body=body, serial=serial)
        trust = self._decide_trust(answer.headers, answer.body, now=self._clock())
        is_good = 200 <= answer.status < 300
        # Refusals come without a signature where the platform does not know who asks.
        if trust is not Trust.VALID and (is_good or trust is not Trust.UNSIGNED):
            log.error("wechat_pay.answer_untrusted", call=name, status=answer.status, trust=trust.value)
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, f"signature_{trust.value}")
        document = _load(answer)
        if answer.status == 202 and "code" in document:  # "the person is paying just now"
            raise ProviderRefused(Provider.WECHAT_PAY, str(document["code"])[:64], status=202)
        if is_good:
            return document
        code, message = str(document.get("code", ""))[:64], str(document.get("message", ""))[:200]
        if not code:
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, f"http_{answer.status}")
        if code in _BUSY:
            raise ProviderUnavailable(Provider.WECHAT_PAY, code.lower(), is_outcome_unknown=answer.status >= 500)
        log.warning("wechat_pay.refused", call=name, status=answer.status, code=code)
        refusal = ProviderNotFound if code in _ABSENT else ProviderRefused
        raise refusal(Provider.WECHAT_PAY, code, message, status=answer.status)

    def fetch(
        self,
        name: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        serial: str | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """Return the raw answer, its signature not looked at."""
        if query:
            path = f"{path}?{urlencode(query)}"  # sent exactly as it is signed
        headers = {"Accept": "application/json"}
        wanted = serial or next(iter(self._public_keys), None)
        if wanted is not None:
            headers["Wechatpay-Serial"] = wanted
        content = b""
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        request = Request(name, method, path, body=content, headers=headers)
        return self._transport.send(
            request, repeat=Repeat.HARMLESS, sign=self._sign, find_busy=_find_busy, max_bytes=max_bytes
        )

    def read(self, reader: Callable[[Mapping[str, Any]], Read], document: Mapping[str, Any]) -> Read:
        """Return what `reader` makes of an answer. Raises ProviderAnswerInvalid where it makes nothing of it."""
        try:
            return reader(document)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "not_as_documented") from None

    def expect(self, found: str | None, wanted: str) -> None:
        """Raise ProviderAnswerInvalid when an answer speaks of something else than was asked."""
        if found != wanted:
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "another_number")

    def decrypt(self, *, nonce: str, associated_data: str, ciphertext: str) -> dict[str, Any]:
        """Return the document that AES-GCM hid. Raises DecryptionFailed."""
        plain = decrypt_aes_gcm(self._secret, nonce=nonce, associated_data=associated_data, ciphertext=ciphertext)
        try:
            document = json.loads(plain)
        except (ValueError, RecursionError):
            raise DecryptionFailed from None
        if not isinstance(document, dict):
            raise DecryptionFailed
        return document

    def find_encryption_key(self) -> tuple[str, RSAPublicKey]:
        """Return the id and the key with which to encrypt a name. Raises ProviderAnswerInvalid without any."""
        for serial, key in self._public_keys.items():
            return serial, key
        self._refresh_certificates()
        now = self._clock()
        valid = [one for one in self._certificates.values() if is_certificate_valid(one, now)]
        if not valid:
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "no_certificate")
        newest = format_serial(max(valid, key=lambda one: one.not_valid_after_utc))
        return newest, _to_keys(self._certificates)[newest]

    def decide_trust(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Trust:
        """Return whether the platform signed a notify's bytes; an unknown serial has its certificate fetched first."""
        return self._decide_trust(headers, body, now=now)

    def _decide_trust(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Trust:
        trust = decide_trust(headers, body, keys=self._list_keys(now), now=now)
        if trust is Trust.KEY_UNKNOWN and self._refresh_certificates():
            trust = decide_trust(headers, body, keys=self._list_keys(now), now=now)
        return trust

    def _list_keys(self, now: datetime) -> dict[str, RSAPublicKey]:
        valid = {serial: one for serial, one in self._certificates.items() if is_certificate_valid(one, now)}
        return _to_keys(valid) | self._public_keys

    def _refresh_certificates(self) -> bool:
        """Fetch the platform's certificates, at most once a minute; tell whether that was done.

        Their answer is signed with one of them: it is decrypted with our own secret first, then verified.
        """
        with self._lock:
            now = self._clock()
            if self._looked_at is not None and now - self._looked_at < _REFRESH_AFTER:
                return False
            self._looked_at = now
            try:
                answer = self.fetch("get_certificates", "GET", "/v3/certificates")
                found = self._read_certificates(answer)
            except (ProviderUnavailable, ProviderRefused, DecryptionFailed, KeyError, TypeError, ValueError) as error:
                log.warning("wechat_pay.certificates_not_read", kind=type(error).__name__)
                return False
            keys = _to_keys(found) | self._public_keys
            trust = decide_trust(answer.headers, answer.body, keys=keys, now=now)
            if trust is not Trust.VALID:
                log.error("wechat_pay.certificates_untrusted", trust=trust.value)
                return False
            self._certificates = found
            log.info("wechat_pay.certificates_read", serials=sorted(found))
            return True

    def _read_certificates(self, answer: Answer) -> dict[str, x509.Certificate]:
        if answer.status != 200:
            raise ProviderRefused(Provider.WECHAT_PAY, f"http_{answer.status}")
        found: dict[str, x509.Certificate] = {}
        for item in _load(answer)["data"]:
            hidden = item["encrypt_certificate"]
            plain = decrypt_aes_gcm(
                self._secret, nonce=hidden["nonce"], associated_data=hidden.get("associated_data", ""),
                ciphertext=hidden["ciphertext"],
            )  # fmt: skip
            certificate = load_certificate(plain.decode())
            found[format_serial(certificate)] = certificate
        return found

    def _sign(self, request: Request) -> dict[str, str]:
        return {
            "Authorization": make_authorization(
                self.merchant, method=request.method, path=request.path, body=request.body,
                timestamp=int(self._clock().timestamp()), nonce=secrets.token_hex(16),
            )
        }  # fmt: skip


def _to_keys(certificates: Mapping[str, x509.Certificate]) -> dict[str, RSAPublicKey]:
    keys = {serial: one.public_key() for serial, one in certificates.items()}
    return {serial: key for serial, key in keys.items() if isinstance(key, RSAPublicKey)}


def _load(answer: Answer) -> dict[str, Any]:
    if not answer.body:
        return {}
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise ProviderAnswerInvalid(Provider.WECHAT_PAY, f"not_json_{answer.status}") from None
    if not isinstance(document, dict):
        raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "not_json")
    return document


def _find_busy(answer: Answer) -> str | None:
    """Return the code of an answer that says "try again"; only codes are read, so an unsigned one does no harm."""
    if 200 <= answer.status < 300 or not answer.body.startswith(b"{"):
        return None
    try:
        code = json.loads(answer.body).get("code")
    except (ValueError, RecursionError):
        return None
    return code.lower() if isinstance(code, str) and code in _BUSY else None
