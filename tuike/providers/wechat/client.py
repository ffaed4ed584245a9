"""The mini-program's server API (api.weixin.qq.com)."""

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import structlog

from tuike.providers.http import Answer, Repeat, Request, Transport
from tuike.providers.model import (
    NotifyMalformed,
    Provider,
    ProviderAnswerInvalid,
    ProviderNotConfigured,
    ProviderNotFound,
    ProviderRefused,
)
from tuike.providers.wechat.model import (
    Parcel,
    Phone,
    PushEvent,
    Shipping,
    ShippingState,
    ShippingWay,
    TextCheck,
    TextVerdict,
    WeChatSession,
)
from tuike.providers.wechat.rules import check_push, check_scene, decrypt_push
from tuike.providers.wechat.tokens import AccessToken, MemoryTokenStore, TokenStore
from tuike.shared.errors import ValidationFailed

log = structlog.get_logger(__name__)

_BUSY = frozenset({-1})
_TOKEN_REFUSED = frozenset({40001, 40014, 42001})
_SHIPPING_UNKNOWN = 10060001
_ZONE = timezone(timedelta(hours=8))
_WAYS = {ShippingWay.EXPRESS: 1, ShippingWay.LOCAL: 2, ShippingWay.VIRTUAL: 3, ShippingWay.PICK_UP: 4}
_SHIPPING_STATES = {
    1: ShippingState.TO_SHIP, 2: ShippingState.SHIPPED, 3: ShippingState.RECEIVED, 4: ShippingState.COMPLETED,
    5: ShippingState.REFUNDED, 6: ShippingState.COMPLETED,
}  # fmt: skip
_LONGEST_TOKEN_S = 86_400
MAX_TEXT = 2_500
MAX_PARCELS = 15
MAX_GOODS = 120


class WeChat:
    """Calls on behalf of one mini-program. Every method raises ProviderUnavailable and ProviderRefused.

    `ProviderRefused.provider_code` is the errcode as text, such as `40029` for a code that is used or unknown.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        app_id: str,
        app_secret: str,
        tokens: TokenStore | None = None,
        push_token: str = "",
        push_key: str = "",
    ) -> None:
        self.app_id = app_id
        self._transport = transport
        self._secret = app_secret
        self._tokens = tokens or MemoryTokenStore()
        self._push_token = push_token
        self._push_key = push_key
        self._lock = threading.Lock()
        self._token: AccessToken | None = None

    def log_in(self, *, code: str) -> WeChatSession:
        """Return who is behind the code of `wx.login`. A code works once, so it is never sent twice.

        Refused with 40029 (bad or used code), 45011 (too often), 40226 (a user the platform blocks).
        """
        query = {"appid": self.app_id, "secret": self._secret, "js_code": code, "grant_type": "authorization_code"}
        request = Request("log_in", "GET", "/sns/jscode2session", query=query)
        answer = self._read(self._transport.send(request, repeat=Repeat.IF_NOT_SENT, find_busy=_find_busy))
        return WeChatSession(_text(answer, "openid"), answer.get("unionid") or None, _text(answer, "session_key"))

    def get_phone_number(self, *, code: str, now: datetime, openid: str | None = None) -> Phone:
        """Return the phone number behind the code of the phone button. Each call costs money; a code works once."""
        body = {"code": code} | ({} if openid is None else {"openid": openid})
        answer = self._call("get_phone_number", "/wxa/business/getuserphonenumber", body, now=now)
        info = answer.get("phone_info")
        if not isinstance(info, dict):
            raise ProviderAnswerInvalid(Provider.WECHAT, "no_phone")
        return Phone(_text(info, "purePhoneNumber"), str(info.get("countryCode", "86")))

    def make_code_image(
        self,
        *,
        scene: str,
        page: str,
        now: datetime,
        width: int = 430,
        release: str = "release",
        is_checked: bool = True,
    ) -> bytes:
        """Return the image of a mini-program code that opens `page` with `scene`.

        Raises ValidationFailed for a scene that a code cannot carry.
        """
        check_scene(scene)
        body = {"scene": scene, "page": page.lstrip("/"), "check_path": is_checked, "env_version": release,
                "width": max(280, min(1280, width))}  # fmt: skip
        answer = self._send("make_code_image", "/wxa/getwxacodeunlimit", body, now=now, repeat=Repeat.HARMLESS)
        if not answer.headers.get("Content-Type", "").startswith("image/"):
            raise ProviderAnswerInvalid(Provider.WECHAT, "no_image")
        return answer.body

    def send_message(
        self,
        *,
        openid: str,
        template_id: str,
        data: Mapping[str, str],
        now: datetime,
        page: str | None = None,
        release: str = "formal",
    ) -> None:
        """Send a subscribed message. One consent is one message, so it is never sent twice on a doubt.

        Refused with 43101 (no consent left), 40037 (template), 47003 (a field), 40003 (openid).
        """
        body = {
            "touser": openid, "template_id": template_id, "lang": "zh_CN", "miniprogram_state": release,
            "data": {name: {"value": value} for name, value in data.items()},
        } | ({} if page is None else {"page": page})  # fmt: skip
        self._call("send_message", "/cgi-bin/message/subscribe/send", body, now=now)

    def check_text(
        self, *, openid: str, content: str, scene: int, now: datetime, nickname: str | None = None
    ) -> TextCheck:
        """Return the platform's verdict on a text. `scene`: 1 profile, 2 comment, 3 forum, 4 social log.

        The person must have used the mini-program within two hours. Raises ValidationFailed for more than 2,500
        characters: a part that was not looked at must not pass.
        """
        if len(content) > MAX_TEXT:
            raise ValidationFailed(fields={"content": [f"Must have at most {MAX_TEXT} characters."]})
        body = {"content": content, "version": 2, "scene": scene, "openid": openid}
        if nickname is not None:
            body["nickname"] = nickname
        answer = self._call("check_text", "/wxa/msg_sec_check", body, now=now, repeat=Repeat.HARMLESS)
        result = answer.get("result")
        try:
            assert isinstance(result, dict)
            checked = TextCheck(
                TextVerdict(result["suggest"]), int(result.get("label", 100)), str(answer.get("trace_id", ""))
            )
        except (AssertionError, KeyError, TypeError, ValueError):
            raise ProviderAnswerInvalid(Provider.WECHAT, "no_verdict") from None
        return checked

    def upload_shipping(
        self,
        *,
        merchant_id: str,
        out_no: str,
        openid: str,
        way: ShippingWay,
        parcels: Sequence[Parcel],
        is_split: bool,
        is_last: bool,
        uploaded_at: datetime,
        now: datetime,
    ) -> None:
        """Tell the platform how a paid order is sent, without which the money stays frozen.

        With `is_split` parcels are told one upload after the other, the last with `is_last`. `uploaded_at` must grow
        from upload to upload. Raises ValidationFailed for more than 15 parcels; refused with 10060001 (unknown),
        10060002 (all is sent), 10060003 (sent anew).
        """
        if not 1 <= len(parcels) <= MAX_PARCELS:
            raise ValidationFailed(fields={"parcels": [f"Must be 1 to {MAX_PARCELS}."]})
        body = {
            "order_key": {"order_number_type": 1, "mchid": merchant_id, "out_trade_no": out_no},
            "logistics_type": _WAYS[way],
            "delivery_mode": 2 if is_split else 1,
            "shipping_list": [_describe_parcel(parcel) for parcel in parcels],
            "upload_time": uploaded_at.astimezone(_ZONE).isoformat(timespec="milliseconds"),
            "payer": {"openid": openid},
        }
        if is_split:
            body["is_all_delivered"] = is_last
        self._call("upload_shipping", "/wxa/sec/order/upload_shipping_info", body, now=now, repeat=Repeat.HARMLESS)

    def get_shipping(self, *, merchant_id: str, out_no: str, now: datetime) -> Shipping:
        """Return what the platform knows about a paid order's delivery. Raises ProviderNotFound."""
        body = {"merchant_id": merchant_id, "merchant_trade_no": out_no}
        answer = self._call("get_shipping", "/wxa/sec/order/get_order", body, now=now, repeat=Repeat.HARMLESS)
        order = answer.get("order")
        try:
            assert isinstance(order, dict)
            state = _SHIPPING_STATES[order["order_state"]]
            paid = order.get("pay_time")
            paid_at = datetime.fromtimestamp(int(paid), UTC) if paid else None
        except (AssertionError, KeyError, TypeError, ValueError, OverflowError, OSError):
            raise ProviderAnswerInvalid(Provider.WECHAT, "no_order") from None
        return Shipping(
            _text(order, "merchant_trade_no"), _text(order, "transaction_id"), state,
            bool(order.get("in_complaint", False)), paid_at,
        )  # fmt: skip

    def answer_push_check(self, query: Mapping[str, str]) -> str:
        """Return what the platform wants to hear when it checks our push address. Raises SignatureInvalid."""
        check_push(
            query.get("signature", ""), self._get_push_token(), query.get("timestamp", ""), query.get("nonce", "")
        )
        return query.get("echostr", "")

    def read_push(self, query: Mapping[str, str], body: bytes) -> PushEvent:
        """Return the event of a push, in secure mode or plain where no key is set.

        Raises SignatureInvalid, NotifyMalformed, ProviderNotConfigured.
        """
        token = self._get_push_token()
        timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        event = _load(body)
        if self._push_key:
            encrypted = event.get("Encrypt")
            if not isinstance(encrypted, str):
                raise NotifyMalformed
            check_push(query.get("msg_signature", ""), token, timestamp, nonce, encrypted)
            event = decrypt_push(encrypted, key=self._push_key, app_id=self.app_id)
        else:
            check_push(query.get("signature", ""), token, timestamp, nonce)
        return PushEvent(str(event.get("Event") or event.get("MsgType") or ""), event)

    def get_access_token(self, *, now: datetime) -> str:
        """Return the token that server calls carry, from the store while it is fresh."""
        known = self._token
        if known is not None and known.is_fresh(now):
            return known.value
        with self._lock:  # one asks, the others of this process wait for what it gets
            known = self._token if self._token is not None and self._token.is_fresh(now) else self._find_token()
            if known is None or not known.is_fresh(now):
                known = self._fetch_token(now=now, is_forced=False)
            self._token = known
            return known.value

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _get_push_token(self) -> str:
        if not self._push_token:
            raise ProviderNotConfigured(Provider.WECHAT, "TUIKE_WECHAT_PUSH_TOKEN")
        return self._push_token

    def _call(
        self, name: str, path: str, body: Mapping[str, Any], *, now: datetime, repeat: Repeat = Repeat.IF_NOT_SENT
    ) -> dict[str, Any]:
        return self._read(self._send(name, path, body, now=now, repeat=repeat))

    def _send(self, name: str, path: str, body: Mapping[str, Any], *, now: datetime, repeat: Repeat) -> Answer:
        """Send a call with the token, once more with a new one when the token is refused."""
        token = self.get_access_token(now=now)
        for is_last in (False, True):
            request = Request(
                name, "POST", path, query={"access_token": token}, headers={"Content-Type": "application/json"},
                body=json.dumps(body, ensure_ascii=False).encode(),
            )  # fmt: skip
            answer = self._transport.send(request, repeat=repeat, find_busy=_find_busy)
            code = _find_errcode(answer)
            if code not in _TOKEN_REFUSED or is_last:
                if code:
                    self._read(answer)  # raises
                return answer
            log.warning("wechat.token_refused", call=name, errcode=code)
            token = self._renew_token(token, now=now)
        raise AssertionError("unreachable")

    def _renew_token(self, refused: str, *, now: datetime) -> str:
        with self._lock:
            known = self._find_token()
            if known is None or known.value == refused or not known.is_fresh(now):  # nobody was faster
                known = self._fetch_token(now=now, is_forced=False)
            if known.value == refused:  # the platform still believes in it; forcing is limited to 20 a day
                known = self._fetch_token(now=now, is_forced=True)
            self._token = known
            return known.value

    def _find_token(self) -> AccessToken | None:
        try:
            return self._tokens.find(self.app_id)
        except Exception:  # noqa: BLE001 - whatever ails the store, a token can be had from the platform
            log.warning("wechat.token_store_failed")
            return None

    def _fetch_token(self, *, now: datetime, is_forced: bool) -> AccessToken:
        body = {
            "grant_type": "client_credential", "appid": self.app_id, "secret": self._secret,
            "force_refresh": is_forced,
        }  # fmt: skip
        request = Request(
            "get_access_token", "POST", "/cgi-bin/stable_token", headers={"Content-Type": "application/json"},
            body=json.dumps(body).encode(),
        )  # fmt: skip
        answer = self._read(self._transport.send(request, repeat=Repeat.HARMLESS, find_busy=_find_busy))
        seconds = answer.get("expires_in")
        if not isinstance(seconds, int) or not 0 <= seconds <= _LONGEST_TOKEN_S:
            raise ProviderAnswerInvalid(Provider.WECHAT, "no_expiry")
        token = AccessToken(_text(answer, "access_token"), now + timedelta(seconds=seconds))
        try:
            self._tokens.put(self.app_id, token)
        except Exception:  # noqa: BLE001 - the next call asks again
            log.warning("wechat.token_store_failed")
        return token

    def _read(self, answer: Answer) -> dict[str, Any]:
        """Return a JSON answer. Raises ProviderRefused with its errcode, ProviderAnswerInvalid for anything else."""
        if answer.status != 200:
            raise ProviderAnswerInvalid(Provider.WECHAT, f"http_{answer.status}")
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise ProviderAnswerInvalid(Provider.WECHAT, "not_json") from None
        if not isinstance(document, dict):
            raise ProviderAnswerInvalid(Provider.WECHAT, "not_json")
        code = document.get("errcode", 0)
        if code == _SHIPPING_UNKNOWN:
            raise ProviderNotFound(Provider.WECHAT, str(code))
        if code != 0:
            raise ProviderRefused(Provider.WECHAT, str(code)[:32], str(document.get("errmsg", ""))[:200])
        return document


def _find_errcode(answer: Answer) -> int:
    """Return the errcode of a JSON answer, 0 for any other answer."""
    if not answer.body.startswith(b"{"):
        return 0
    try:
        code = json.loads(answer.body).get("errcode", 0)
    except (ValueError, RecursionError, AttributeError):
        return 0
    return code if isinstance(code, int) else 0


def _find_busy(answer: Answer) -> str | None:
    return "busy" if _find_errcode(answer) in _BUSY else None


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderAnswerInvalid(Provider.WECHAT, f"no_{name}")
    return value


def _load(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise NotifyMalformed from None
    if not isinstance(event, dict):
        raise NotifyMalformed
    return event


def _describe_parcel(parcel: Parcel) -> dict[str, Any]:
    described: dict[str, Any] = {"item_desc": parcel.goods[:MAX_GOODS]}
    if parcel.tracking_no is not None:
        described["tracking_no"] = parcel.tracking_no
    if parcel.express_company is not None:
        described["express_company"] = parcel.express_company
    if parcel.contact is not None:
        described["contact"] = {"receiver_contact": parcel.contact}
    return described
