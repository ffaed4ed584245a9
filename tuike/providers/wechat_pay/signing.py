"""WeChat Pay APIv3: what is signed and how, by us and by the platform. Pure.

Sources: pay.weixin.qq.com, APIv3 rules: request signing, answer and notify verification, JSAPI payment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from tuike.providers.signing import is_signed, sign_sha256

SCHEME = "WECHATPAY2-SHA256-RSA2048"
TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Merchant:
    """Who we are to the platform."""

    app_id: str
    merchant_id: str
    certificate_serial: str
    key: RSAPrivateKey


class Trust(Enum):
    """What a signature proved to be."""

    VALID = "valid"
    UNSIGNED = "unsigned"
    STALE = "stale"
    KEY_UNKNOWN = "key_unknown"
    INVALID = "invalid"


def make_authorization(merchant: Merchant, *, method: str, path: str, body: bytes, timestamp: int, nonce: str) -> str:
    """Return the Authorization header of a request. `path` has its query, exactly as it is sent."""
    message = f"{method}\n{path}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
    signature = sign_sha256(merchant.key, message)
    return (
        f'{SCHEME} mchid="{merchant.merchant_id}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{timestamp}",serial_no="{merchant.certificate_serial}"'
    )


def make_payment_request(merchant: Merchant, *, prepay_id: str, timestamp: int, nonce: str) -> dict[str, str]:
    """Return what the mini-program passes to `wx.requestPayment`."""
    package = f"prepay_id={prepay_id}"
    message = f"{merchant.app_id}\n{timestamp}\n{nonce}\n{package}\n"
    return {
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": sign_sha256(merchant.key, message.encode()),
    }


def decide_trust(
    headers: Mapping[str, str], body: bytes, *, keys: Mapping[str, RSAPublicKey], now: datetime | None
) -> Trust:
    """Return whether the platform signed exactly these bytes, recently.

    `headers` are read without regard to case; `keys` maps `Wechatpay-Serial` to its key.
    `now` None leaves the age out. A probe (a signature that starts with `WECHATPAY/SIGNTEST/`) takes this same way and
    proves invalid.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    serial, signature, timestamp, nonce = (
        lowered.get(f"wechatpay-{name}") or "" for name in ("serial", "signature", "timestamp", "nonce")
    )
    if not (serial and signature and timestamp and nonce):
        return Trust.UNSIGNED
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return Trust.INVALID
    if now is not None and abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        return Trust.STALE
    key = keys.get(serial.upper()) or keys.get(serial)
    if key is None:
        return Trust.KEY_UNKNOWN
    message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return Trust.VALID if is_signed(key, signature, message) else Trust.INVALID
