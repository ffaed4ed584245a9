"""Alipay: what is signed and how (RSA2). Pure.

Sources: opendocs.alipay.com, signing and verifying by oneself; certificate mode.
"""

import hashlib
import json
import re
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import SignatureAlgorithmOID

from tuike.providers.signing import sign_sha256

_CERTIFICATES = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_ROOT_ALGORITHMS = frozenset({SignatureAlgorithmOID.RSA_WITH_SHA1, SignatureAlgorithmOID.RSA_WITH_SHA256})
_SPACE = " \t\r\n"


def join_params(params: Mapping[str, str], *, leave_out: frozenset[str]) -> str:
    """Return the parameters as they are signed: sorted by name, `name=value` joined by `&`, empty ones left out."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if name not in leave_out and params[name])


def sign_params(params: Mapping[str, str], key: RSAPrivateKey) -> str:
    """Return the signature of a request; everything but `sign` is under it."""
    return sign_sha256(key, join_params(params, leave_out=frozenset({"sign"})).encode())


def split_answer(text: str) -> dict[str, str]:
    """Return the members of an answer, each as the very text that was signed. Raises ValueError."""
    decoder = json.JSONDecoder()
    members: dict[str, str] = {}
    position = _expect(text, 0, "{")
    while True:
        name, position = decoder.raw_decode(text, _skip(text, position))
        begin = _skip(text, _expect(text, position, ":"))
        _, end = decoder.raw_decode(text, begin)
        if not isinstance(name, str) or name in members:
            raise ValueError("not a member, or one named twice")
        members[name] = text[begin:end]
        position = _skip(text, end)
        if text[position : position + 1] != ",":
            break
        position += 1
    if text[_expect(text, position, "}") :].strip():
        raise ValueError("something follows the answer")
    return members


def number_certificate(pem: str) -> str:
    """Return Alipay's number of a certificate: MD5 over its issuer and serial number."""
    return _number(x509.load_pem_x509_certificate(pem.encode()))


def number_root_certificates(pem: str) -> str:
    """Return Alipay's number of the bundle of roots: those signed with RSA, joined by `_`."""
    found = [x509.load_pem_x509_certificate(one.encode()) for one in _CERTIFICATES.findall(pem)]
    return "_".join(_number(one) for one in found if one.signature_algorithm_oid in _ROOT_ALGORITHMS)


def _number(certificate: x509.Certificate) -> str:
    # Most specific name first: CN=…,OU=…,O=…,C=…
    issuer = ",".join(f"{part.rfc4514_attribute_name}={part.value!s}" for part in reversed(list(certificate.issuer)))
    return hashlib.md5(f"{issuer}{certificate.serial_number}".encode(), usedforsecurity=False).hexdigest()


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def _expect(text: str, position: int, mark: str) -> int:
    position = _skip(text, position)
    if text[position : position + 1] != mark:
        raise ValueError(f"{mark} was expected")
    return position + 1
