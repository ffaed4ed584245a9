"""Notifies: verify first, decrypt after, then read."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from tuike.providers.model import (
    Notify,
    NotifyKind,
    NotifyMalformed,
    NotifyStale,
    Provider,
    SignatureInvalid,
)
from tuike.providers.signing import DecryptionFailed
from tuike.providers.wechat_pay.core import Core
from tuike.providers.wechat_pay.shapes import read_payment, read_refund, read_time, read_transfer
from tuike.providers.wechat_pay.signing import Trust

log = structlog.get_logger(__name__)

MAX_NOTIFY_BYTES = 64_000
_ALGORITHM = "AEAD_AES_256_GCM"


class Notifies(Core):
    """What the platform tells us by itself."""

    def read_notify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notify:
        """Return what a notify says, once it is proven to be the platform's, recent, and meant for us.

        `body` are the bytes as received. Answer within five seconds with 200 or 204 once it is kept; with anything
        else it comes again, over a day. Raises SignatureInvalid, NotifyStale, NotifyMalformed.
        """
        if len(body) > MAX_NOTIFY_BYTES:
            raise NotifyMalformed("The notify is too large.")
        trust = self.decide_trust(headers, body, now=now)
        if trust is Trust.STALE:
            raise NotifyStale
        if trust is not Trust.VALID:
            log.warning("wechat_pay.notify_untrusted", trust=trust.value)
            raise SignatureInvalid
        try:
            envelope = json.loads(body)
            resource = envelope["resource"]
            if resource["algorithm"] != _ALGORITHM:
                raise NotifyMalformed("The notify is encrypted in an unknown way.")
            document = self.decrypt(
                nonce=resource["nonce"], associated_data=resource.get("associated_data") or "",
                ciphertext=resource["ciphertext"],
            )  # fmt: skip
            return self._read(envelope, document)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, DecryptionFailed):
            raise NotifyMalformed from None

    def _read(self, envelope: Mapping[str, Any], document: Mapping[str, Any]) -> Notify:
        event = str(envelope["event_type"])
        created_at = read_time(envelope["create_time"])
        assert created_at is not None
        self._check_owner(document)
        about: dict[str, Any] = {}
        kind = NotifyKind.OTHER
        if event.startswith("TRANSACTION."):
            kind, about = NotifyKind.PAYMENT, {"payment": read_payment(document)}
        elif event.startswith("REFUND."):
            kind, about = NotifyKind.REFUND, {"refund": read_refund(document)}
        elif event.startswith("MCHTRANSFER.BILL."):
            kind, about = NotifyKind.TRANSFER, {"transfer": read_transfer(document)}
        return Notify(Provider.WECHAT_PAY, str(envelope["id"]), kind, created_at, **about)

    def _check_owner(self, document: Mapping[str, Any]) -> None:
        owner = document.get("mchid") or document.get("mch_id")
        app_id = document.get("appid", self.merchant.app_id)
        if owner != self.merchant.merchant_id or app_id != self.merchant.app_id:
            raise NotifyMalformed("The notify is meant for another merchant.")
