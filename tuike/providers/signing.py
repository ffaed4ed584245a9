"""RSA and AES as the providers use them. Pure: keys and bytes in, bytes out."""

import base64
import binascii
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)


class DecryptionFailed(Exception):
    """The text was not encrypted with this key, or was changed on the way."""


def load_private_key(text: str) -> RSAPrivateKey:
    """Return the RSA private key in PEM or in the bare Base64 that Alipay's tools print. Raises ValueError."""
    key = (
        load_pem_private_key(text.encode(), password=None)
        if _is_pem(text)
        else load_der_private_key(_to_der(text), password=None)
    )
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA private key")  # noqa: TRY004 - the text is wrong, not its type
    return key


def load_public_key(text: str) -> RSAPublicKey:
    """Return the RSA public key in PEM, bare Base64, or a certificate in PEM. Raises ValueError."""
    if "BEGIN CERTIFICATE" in text:
        key = load_certificate(text).public_key()
    else:
        loaded = load_pem_public_key(text.encode()) if _is_pem(text) else load_der_public_key(_to_der(text))
        key = loaded  # type: ignore[assignment]
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA public key")  # noqa: TRY004 - the same
    return key


def load_certificate(text: str) -> x509.Certificate:
    """Return the first certificate of a PEM text. Raises ValueError."""
    return x509.load_pem_x509_certificate(text.encode())


def is_certificate_valid(certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether `now` lies in the certificate's time."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def format_serial(certificate: x509.Certificate) -> str:
    """Return a certificate's serial number as WeChat Pay writes it: hexadecimal capitals."""
    return f"{certificate.serial_number:X}"


def sign_sha256(key: RSAPrivateKey, message: bytes) -> str:
    """Return the Base64 of an RSA signature (PKCS #1 v1.5, SHA-256)."""
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def is_signed(key: RSAPublicKey, signature: str, message: bytes) -> bool:
    """Tell whether `signature` (Base64) is the key owner's under `message`; whatever is no signature is not."""
    try:
        raw = base64.b64decode(signature, validate=True)
        key.verify(raw, message, padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, binascii.Error, InvalidSignature):
        return False
    return True


def decrypt_aes_gcm(key: bytes, *, nonce: str, associated_data: str, ciphertext: str) -> bytes:
    """Return what AEAD_AES_256_GCM hid. Raises DecryptionFailed."""
    try:
        raw = base64.b64decode(ciphertext, validate=True)
        return AESGCM(key).decrypt(nonce.encode(), raw, associated_data.encode())
    except (ValueError, InvalidTag) as error:
        raise DecryptionFailed from error


def encrypt_oaep(key: RSAPublicKey, text: str) -> str:
    """Return the Base64 of `text` under RSAES-OAEP (SHA-1), as WeChat Pay wants names. Raises ValueError."""
    # SHA-1 is the provider's choice; in OAEP nothing rests on its resistance to collisions.
    scheme = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303
    return base64.b64encode(key.encrypt(text.encode(), scheme)).decode()


def _is_pem(text: str) -> bool:
    return "-----BEGIN" in text


def _to_der(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError("neither PEM nor Base64") from None
