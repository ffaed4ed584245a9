"""Transfers to people (商家转账), which the recipient confirms in the client."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tuike.providers.model import Transfer
from tuike.providers.signing import encrypt_oaep
from tuike.providers.wechat_pay.core import Core
from tuike.providers.wechat_pay.shapes import read_transfer
from tuike.shared.errors import ValidationFailed

_OUT_BILL_NO = re.compile(r"[0-9A-Za-z]{1,32}")
NAME_NEEDED_MINOR = 200_000
"""From 2,000 yuan on the platform wants the recipient's name and checks it."""
NAME_TAKEN_MINOR = 30
"""Below 0.3 yuan it takes none."""
_BASE = "/v3/fund-app/mch-transfer/transfer-bills"


class Transfers(Core):
    """A transfer's life. Every method raises ProviderUnavailable, ProviderAnswerInvalid, ProviderRefused."""

    def transfer(
        self,
        *,
        out_no: str,
        openid: str,
        amount_minor: int,
        scene_id: str,
        remark: str,
        report: Sequence[Mapping[str, str]] = (),
        name: str | None = None,
        perception: str | None = None,
        notify_url: str | None = None,
    ) -> Transfer:
        """Ask for a transfer; the same `out_no` again is the same transfer. The recipient then confirms it.

        After any error but ValidationFailed ask `get_transfer`: only its `failed` or `cancelled` allows another number.
        `report` are the `{"info_type", "info_content"}` that the scene demands. Refused with NOT_ENOUGH,
        INVALID_REQUEST, NO_AUTH, PARAM_ERROR. Raises ValidationFailed for what the platform would not take.
        """
        if not _OUT_BILL_NO.fullmatch(out_no):
            raise ValidationFailed(fields={"out_no": ["Must be 1 to 32 letters and digits."]})
        if amount_minor >= NAME_NEEDED_MINOR and not name:
            raise ValidationFailed(fields={"name": [f"Is needed from {NAME_NEEDED_MINOR} on."]})
        body: dict[str, Any] = {
            "appid": self.merchant.app_id,
            "out_bill_no": out_no,
            "transfer_scene_id": scene_id,
            "openid": openid,
            "transfer_amount": amount_minor,
            "transfer_remark": remark[:32],
            "transfer_scene_report_infos": [dict(info) for info in report],
        }
        serial = None
        if name and amount_minor >= NAME_TAKEN_MINOR:
            serial, key = self.find_encryption_key()
            body["user_name"] = encrypt_oaep(key, name)
        if perception is not None:
            body["user_recv_perception"] = perception
        if notify_url is not None:
            body["notify_url"] = notify_url
        transfer = self.read(read_transfer, self.call("transfer", "POST", _BASE, body=body, serial=serial))
        self.expect(transfer.out_no, out_no)
        return transfer

    def make_transfer_request(self, *, package: str) -> dict[str, str]:
        """Return what the mini-program passes to `wx.requestMerchantTransfer`; its "ok" does not mean paid."""
        return {"mchId": self.merchant.merchant_id, "appId": self.merchant.app_id, "package": package}

    def get_transfer(self, *, out_no: str) -> Transfer:
        """Return where a transfer stands. Raises ProviderNotFound."""
        transfer = self.read(read_transfer, self.call("get_transfer", "GET", f"{_BASE}/out-bill-no/{_safe(out_no)}"))
        self.expect(transfer.out_no, out_no)
        return transfer

    def cancel_transfer(self, *, out_no: str) -> Transfer:
        """Take a transfer back before the recipient confirmed it; it becomes `cancelled` a little later."""
        path = f"{_BASE}/out-bill-no/{_safe(out_no)}/cancel"
        transfer = self.read(read_transfer, self.call("cancel_transfer", "POST", path))
        self.expect(transfer.out_no, out_no)
        return transfer


def _safe(out_no: str) -> str:
    if not _OUT_BILL_NO.fullmatch(out_no):
        raise ValidationFailed(fields={"out_no": ["Must be 1 to 32 letters and digits."]})
    return out_no
