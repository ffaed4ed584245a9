"""Rules of the mini-program's server API: message push, scenes. Pure.

Source: developers.weixin.qq.com, message push and getUnlimitedQRCode.
"""

import base64
import hashlib
import hmac
import json
import re
import struct
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tuike.providers.model import NotifyMalformed, SignatureInvalid
from tuike.shared.errors import ValidationFailed

_SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}")
_BLOCK = 32  # the push pads to 32 bytes, not to AES's 16


def sign_push(*parts: str) -> str:
    """Return the signature of a message push: SHA-1 over the sorted parts, token among them."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def check_push(signature: str, *parts: str) -> None:
    """Raise SignatureInvalid unless `signature` is that of the parts."""
    if not hmac.compare_digest(sign_push(*parts).encode(), signature.encode()):
        raise SignatureInvalid


def check_scene(scene: str) -> None:
    """Raise ValidationFailed unless a mini-program code can carry `scene`."""
    if not _SCENE.fullmatch(scene):
        raise ValidationFailed(fields={"scene": ["Must be 1 to 32 of 0-9 A-Z a-z !#$&'()*+,/:;=?@-._~"]})


def decrypt_push(encrypted: str, *, key: str, app_id: str) -> dict[str, Any]:
    """Return the event that a push in secure mode hides. `key` is the EncodingAESKey of 43 characters.

    Raises NotifyMalformed for what was not encrypted with this key for this app.
    """
    try:
        raw_key = base64.b64decode(key + "=")
        decryptor = Cipher(algorithms.AES(raw_key), modes.CBC(raw_key[:16])).decryptor()
        plain = decryptor.update(base64.b64decode(encrypted, validate=True)) + decryptor.finalize()
        padding = plain[-1]
        if not 1 <= padding <= _BLOCK:
            raise NotifyMalformed
        plain = plain[16:-padding]
        (length,) = struct.unpack(">I", plain[:4])
        message, owner = plain[4 : 4 + length], plain[4 + length :]
        if owner.decode() != app_id:
            raise NotifyMalformed("The push is meant for another app.")
        event = json.loads(message)
    except (ValueError, IndexError, struct.error, RecursionError):
        raise NotifyMalformed from None
    if not isinstance(event, dict):
        raise NotifyMalformed
    return event
