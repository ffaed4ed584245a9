"""Key material of the platforms and of the merchant who talks to them, made once into a directory."""

import base64
import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

_BITS = 2_048


def make_key() -> rsa.RSAPrivateKey:
    """Return a fresh RSA key."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=_BITS)


def sign(key: rsa.RSAPrivateKey, message: bytes) -> str:
    """Return the Base64 of SHA256withRSA."""
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def is_signed(key: rsa.RSAPublicKey, signature: str, message: bytes) -> bool:
    """Tell whether `signature` is the key owner's under `message`."""
    try:
        key.verify(base64.b64decode(signature, validate=True), message, padding.PKCS1v15(), hashes.SHA256())
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is no signature
        return False
    return True


def to_pem(key: rsa.RSAPrivateKey) -> str:
    """Return a private key in PEM (PKCS #8)."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def to_public_pem(key: rsa.RSAPrivateKey) -> str:
    """Return the public half in PEM."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def make_certificate(key: rsa.RSAPrivateKey, name: str, *, days: int = 1_825) -> x509.Certificate:
    """Return a self-signed certificate, valid since yesterday."""
    subject = x509.Name([
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulator"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Play Money"),
        x509.NameAttribute(NameOID.COMMON_NAME, name),
    ])  # fmt: skip
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


def to_serial(certificate: x509.Certificate) -> str:
    """Return a serial number as WeChat Pay writes it."""
    return f"{certificate.serial_number:X}"


@dataclass
class Keys:
    """What each side holds. `certificates` and `public_keys` grow when keys are rotated; the last one signs."""

    names: dict[str, str]
    merchant: rsa.RSAPrivateKey = field(repr=False)
    alipay_app: rsa.RSAPrivateKey = field(repr=False)
    alipay: rsa.RSAPrivateKey = field(repr=False)
    public_keys: dict[str, rsa.RSAPrivateKey] = field(repr=False)
    certificates: dict[str, tuple[rsa.RSAPrivateKey, x509.Certificate]] = field(repr=False)

    def rotate_certificate(self) -> str:
        """Add a platform certificate, which signs from now on; return its serial."""
        key = make_key()
        certificate = make_certificate(key, "Platform")
        self.certificates[to_serial(certificate)] = (key, certificate)
        return to_serial(certificate)

    def rotate_public_key(self) -> str:
        """Add a WeChat Pay public key, which signs from now on; return its id."""
        id_ = f"PUB_KEY_ID_{secrets.randbelow(10**28):028d}"
        self.public_keys[id_] = make_key()
        return id_


def load_keys(directory: Path) -> Keys:
    """Return the directory's keys, made now if it has none."""
    file = directory / "keys.json"
    if file.exists():
        return _from_document(json.loads(file.read_text()))
    names = {
        "app_id": "wx" + secrets.token_hex(8),
        "app_secret": secrets.token_hex(16),
        "merchant_id": str(secrets.randbelow(9 * 10**9) + 10**9),
        "merchant_serial": secrets.token_hex(20).upper(),
        "api_v3_key": secrets.token_hex(16),
        "push_token": secrets.token_hex(8),
        "push_key": base64.b64encode(secrets.token_bytes(32)).decode().rstrip("="),
        "alipay_app_id": f"2021{secrets.randbelow(10**12):012d}",
    }
    keys = Keys(names, make_key(), make_key(), make_key(), {}, {})
    keys.rotate_public_key()
    keys.rotate_certificate()
    save_keys(keys, directory)
    return keys


def save_keys(keys: Keys, directory: Path) -> None:
    """Write the keys, readable by their owner only."""
    document = {
        "names": keys.names,
        "merchant": to_pem(keys.merchant),
        "alipay_app": to_pem(keys.alipay_app),
        "alipay": to_pem(keys.alipay),
        "public_keys": {id_: to_pem(key) for id_, key in keys.public_keys.items()},
        "certificates": [
            [to_pem(key), certificate.public_bytes(serialization.Encoding.PEM).decode()]
            for key, certificate in keys.certificates.values()
        ],
    }
    write_private(directory / "keys.json", json.dumps(document, indent=1))
    write_private(directory / "merchant_private_key.pem", to_pem(keys.merchant))
    write_private(directory / "alipay_app_private_key.pem", to_pem(keys.alipay_app))
    write_private(directory / "alipay_public_key.pem", to_public_pem(keys.alipay))
    write_private(directory / "wechat_pay_public_key.pem", to_public_pem(next(iter(keys.public_keys.values()))))


def list_settings(keys: Keys, directory: Path, url: str) -> dict[str, str]:
    """Return the variables that lead a merchant's programs here."""
    return {
        "TUIKE_WECHAT_URL": f"{url}/wechat",
        "TUIKE_WECHAT_APP_ID": keys.names["app_id"],
        "TUIKE_WECHAT_APP_SECRET": keys.names["app_secret"],
        "TUIKE_WECHAT_PUSH_TOKEN": keys.names["push_token"],
        "TUIKE_WECHAT_PUSH_KEY": keys.names["push_key"],
        "TUIKE_WECHAT_PAY_URL": f"{url}/pay",
        "TUIKE_WECHAT_PAY_MERCHANT_ID": keys.names["merchant_id"],
        "TUIKE_WECHAT_PAY_CERTIFICATE_SERIAL": keys.names["merchant_serial"],
        "TUIKE_WECHAT_PAY_PRIVATE_KEY": str(directory / "merchant_private_key.pem"),
        "TUIKE_WECHAT_PAY_API_V3_KEY": keys.names["api_v3_key"],
        "TUIKE_WECHAT_PAY_PUBLIC_KEY_ID": next(iter(keys.public_keys)),
        "TUIKE_WECHAT_PAY_PUBLIC_KEY": str(directory / "wechat_pay_public_key.pem"),
        "TUIKE_ALIPAY_URL": f"{url}/alipay/gateway.do",
        "TUIKE_ALIPAY_APP_ID": keys.names["alipay_app_id"],
        "TUIKE_ALIPAY_PRIVATE_KEY": str(directory / "alipay_app_private_key.pem"),
        "TUIKE_ALIPAY_PUBLIC_KEY": str(directory / "alipay_public_key.pem"),
    }


def write_private(path: Path, text: str) -> None:
    """Replace a file, whole, readable by its owner only."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    fresh.replace(path)


def _from_document(document: dict[str, Any]) -> Keys:
    def load(pem: str) -> rsa.RSAPrivateKey:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key

    certificates = {}
    for pem, certificate_pem in document["certificates"]:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        certificates[to_serial(certificate)] = (load(pem), certificate)
    return Keys(
        document["names"],
        load(document["merchant"]),
        load(document["alipay_app"]),
        load(document["alipay"]),
        {id_: load(pem) for id_, pem in document["public_keys"].items()},
        certificates,
    )
