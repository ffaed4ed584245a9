"""Daily bills: asked for, downloaded, checked against their hash, read."""

import gzip
import hashlib
import hmac
import zlib
from collections.abc import Mapping
from datetime import date
from urllib.parse import urlsplit

from tuike.providers.bills import BillUnreadable, read_fund_bill, read_trade_bill
from tuike.providers.model import Bill, FundBill, Provider, ProviderAnswerInvalid, ProviderNotFound
from tuike.providers.wechat_pay.core import Core

MAX_BILL_BYTES = 100_000_000


class Bills(Core):
    """Both raise ProviderUnavailable, ProviderRefused (STATEMENT_CREATING before 10:00), ProviderAnswerInvalid."""

    def download_trade_bill(self, *, on: date) -> Bill:
        """Return the payments and refunds of a business day; a day without any has no lines."""
        query = {"bill_date": on.isoformat(), "bill_type": "ALL", "tar_type": "GZIP"}
        text = self._download("get_trade_bill", "/v3/bill/tradebill", query)
        try:
            return Bill(Provider.WECHAT_PAY, read_trade_bill(text), text)
        except BillUnreadable:
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "bill_unreadable") from None

    def download_fund_bill(self, *, on: date) -> FundBill:
        """Return the movements of the merchant's account on a business day."""
        query = {"bill_date": on.isoformat(), "account_type": "BASIC", "tar_type": "GZIP"}
        text = self._download("get_fund_bill", "/v3/bill/fundflowbill", query)
        try:
            return FundBill(Provider.WECHAT_PAY, read_fund_bill(text), text)
        except BillUnreadable:
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "bill_unreadable") from None

    def _download(self, name: str, path: str, query: Mapping[str, str]) -> str:
        try:
            answer = self.call(name, "GET", path, query=query)
        except ProviderNotFound:  # the platform makes no bill of an empty day
            return ""
        if answer.get("hash_type") != "SHA1":
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "hash_unknown")
        # The file itself is not signed: the signed answer before it holds its hash, so where it comes from is free to
        # differ, but we only ever ask our own host.
        parts = urlsplit(str(answer.get("download_url", "")))
        base = urlsplit(self._transport.base_url)
        if not parts.path.startswith(f"{base.path}/v3/"):
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "download_elsewhere")
        wanted = parts.path.removeprefix(base.path) + (f"?{parts.query}" if parts.query else "")
        file = self.fetch("download_bill", "GET", wanted, max_bytes=MAX_BILL_BYTES)
        if file.status != 200:
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, f"download_{file.status}")
        raw = _unpack(file.body)
        digest = hashlib.sha1(raw, usedforsecurity=False).hexdigest()  # the platform's choice
        if not hmac.compare_digest(digest, str(answer.get("hash_value", "")).lower()):
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "hash_differs")
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "bill_unreadable") from None


def _unpack(body: bytes) -> bytes:
    """Return what a gzip file holds, never more than a bill may have."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        raw = unpacker.decompress(body, MAX_BILL_BYTES)
    except (zlib.error, gzip.BadGzipFile):
        raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "bill_unreadable") from None
    if unpacker.unconsumed_tail:
        raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "too_large")
    if not unpacker.eof:
        raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "bill_cut_off")
    return raw
