"""The mini-program's server API, under `/wechat`."""

import base64
import json
import re
import secrets
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request

from simulator.faults import edit_document
from simulator.people import take_code
from simulator.records import Record
from simulator.serving import misbehave_after, misbehave_before, take_fault
from simulator.world import World

_TOKEN_SECONDS = 7_200
_RENEW_BEFORE = timedelta(minutes=5)
_LOGINS_PER_MINUTE = 100
_SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}")
_STATES = {"to_ship": 1, "shipped": 2, "received": 3, "completed": 4, "refunded": 5}


class Refusal(Exception):
    """An errcode; the answer is still 200."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errmsg)
        self.document = {"errcode": errcode, "errmsg": errmsg}


def make_wechat(world: World) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("wechat", __name__, url_prefix="/wechat")
    logins: dict[str, deque[float]] = {}

    def call(method: str, path: str, *, with_token: bool = True) -> Callable[[Callable[[Record], Any]], None]:
        def declare(act: Callable[[Record], Any]) -> None:
            name = f"wechat.{act.__name__}"

            def view() -> Response:
                fault = take_fault(world, name)
                early = misbehave_before(fault)
                if early is not None:
                    return early
                try:
                    if fault is not None and fault.kind == "error":
                        raise Refusal(int(fault.code) if fault.code.lstrip("-").isdigit() else -1, fault.message)
                    with world.lock:
                        if with_token:
                            _check_token(world)
                        result = act(_read_body())
                except Refusal as refusal:
                    result = refusal.document
                except (AttributeError, TypeError, KeyError, ValueError):
                    result = Refusal(47001, "data format error").document
                if isinstance(result, bytes):
                    return misbehave_after(fault, Response(result, mimetype="image/png"))
                if fault is not None and fault.kind == "edit":
                    result = edit_document(result, fault.edit)
                return misbehave_after(fault, _answer(result))

            routes.add_url_rule(path, name.replace(".", "_"), view, methods=[method])

        return declare

    @call("GET", "/sns/jscode2session", with_token=False)
    def log_in(_: Record) -> Record:
        query = request.args
        _check_secret(world, query.get("appid"), query.get("secret"))
        if query.get("grant_type") != "authorization_code":
            raise Refusal(40002, "invalid grant_type")
        name = take_code(world, "login", query.get("js_code", ""))
        if name is None:
            raise Refusal(40029, "invalid code")
        recent = logins.setdefault(name, deque())
        while recent and recent[0] < time.monotonic() - 60:
            recent.popleft()
        if len(recent) >= _LOGINS_PER_MINUTE:
            raise Refusal(45011, "api minute-quota reach limit, must slower, retry next minute")
        recent.append(time.monotonic())
        person = world.person(name)
        if person["blocked"]:
            raise Refusal(40226, "code blocked")
        session_key = base64.b64encode(secrets.token_bytes(16)).decode()
        return {"openid": person["openid"], "session_key": session_key, "unionid": person["unionid"]}

    @call("POST", "/cgi-bin/stable_token", with_token=False)
    def stable_token(body: Record) -> Record:
        _check_secret(world, body.get("appid"), body.get("secret"))
        if body.get("grant_type") != "client_credential":
            raise Refusal(40002, "invalid grant_type")
        state = world.records.find("token", "stable") or {"tokens": [], "forced": []}
        now = world.now().timestamp()
        state["tokens"] = [one for one in state["tokens"] if one["ends"] > now]
        if body.get("force_refresh") is True:
            state["forced"] = [at for at in state["forced"] if at > now - 86_400]
            if len(state["forced"]) >= 20 or (state["forced"] and now - state["forced"][-1] < 30):
                raise Refusal(45009, "reach max api daily quota limit")
            state["forced"].append(now)
            state["tokens"] = []
        current = state["tokens"][-1] if state["tokens"] else None
        if current is None or current["ends"] - now < _RENEW_BEFORE.total_seconds():
            current = {"value": secrets.token_urlsafe(120), "ends": now + _TOKEN_SECONDS}
            state["tokens"].append(current)
        world.records.put("token", "stable", state)
        return {"access_token": current["value"], "expires_in": int(current["ends"] - now)}

    @call("POST", "/wxa/business/getuserphonenumber")
    def get_phone_number(body: Record) -> Record:
        name = take_code(world, "phone", str(body.get("code", "")))
        if name is None:
            raise Refusal(40029, "invalid code")
        person = world.person(name)
        if body.get("openid") not in (None, person["openid"]):
            raise Refusal(40013, "invalid openid")
        watermark = {"timestamp": int(world.now().timestamp()), "appid": world.keys.names["app_id"]}
        info = {"phoneNumber": person["phone"], "purePhoneNumber": person["phone"], "countryCode": "86"}
        return {"errcode": 0, "errmsg": "ok", "phone_info": {**info, "watermark": watermark}}

    @call("POST", "/wxa/getwxacodeunlimit")
    def make_code_image(body: Record) -> bytes:
        if not _SCENE.fullmatch(str(body.get("scene", ""))):
            raise Refusal(40169, "invalid length for scene, or the data is not json string")
        page = str(body.get("page", "pages/index/index"))
        if page.startswith(("/", "missing")) or "?" in page:
            raise Refusal(41030, "invalid page")
        if body.get("env_version", "release") not in ("release", "trial", "develop"):
            raise Refusal(40097, "invalid args")
        width = body.get("width", 430)
        if not isinstance(width, int) or not 280 <= width <= 1280:
            raise Refusal(40097, "invalid args")
        return _draw_square(width, seed=str(body["scene"]))

    @call("POST", "/cgi-bin/message/subscribe/send")
    def send_message(body: Record) -> Record:
        person = world.find_person(str(body.get("touser", "")))
        if person is None:
            raise Refusal(40003, "invalid openid")
        template = str(body.get("template_id", ""))
        if not template or template.startswith("bad"):
            raise Refusal(40037, "invalid template_id")
        fields = body.get("data")
        if not isinstance(fields, dict) or not all(
            isinstance(one, dict) and one.get("value") for one in fields.values()
        ):
            raise Refusal(47003, "argument invalid! data.value is empty")
        if person["consents"].get(template, 0) < 1:
            raise Refusal(43101, "user refuse to accept the msg")
        person["consents"][template] -= 1
        world.records.put("person", person["name"], person)
        id_ = world.make_no("msg")
        world.records.put("message", id_, {"id": id_, "to": person["name"], "template": template, "data": fields})
        return {"errcode": 0, "errmsg": "ok"}

    @call("POST", "/wxa/msg_sec_check")
    def check_text(body: Record) -> Record:
        content = body.get("content")
        if not isinstance(content, str) or not 0 < len(content) <= 2_500 or body.get("version") != 2:
            raise Refusal(40097, "invalid args")
        if world.find_person(str(body.get("openid", ""))) is None:
            raise Refusal(61010, "code is expired")
        verdict = ("risky", 20_001) if "违禁" in content else ("review", 21_000) if "可疑" in content else ("pass", 100)
        result = {"suggest": verdict[0], "label": verdict[1]}
        return {"errcode": 0, "errmsg": "ok", "result": result, "detail": [], "trace_id": secrets.token_hex(16)}

    @call("POST", "/wxa/sec/order/upload_shipping_info")
    def upload_shipping(body: Record) -> Record:
        payment = _find_paid(world, body.get("order_key"))
        if payment["openid"] != (body.get("payer") or {}).get("openid"):
            raise Refusal(10060031, "该笔支付单不属于openid所指定的用户")
        parcels = body.get("shipping_list")
        if (
            body.get("logistics_type") not in (1, 2, 3, 4)
            or not isinstance(parcels, list)
            or not 1 <= len(parcels) <= 15
        ):
            raise Refusal(10060024, "物流信息列表长度有误")
        if not all(isinstance(one, dict) and one.get("item_desc") and len(one["item_desc"]) <= 120 for one in parcels):
            raise Refusal(10060008, "商品描述有误")
        if body["logistics_type"] == 1 and not all(
            one.get("tracking_no") and one.get("express_company") for one in parcels
        ):
            raise Refusal(10060019, "物流快递发货时必须填写物流信息")
        is_split = body.get("delivery_mode") == 2
        if is_split and (body["logistics_type"] != 1 or "is_all_delivered" not in body):
            raise Refusal(10060007, "分拆发货模式下必须填写is_all_delivered")
        shipping = payment.setdefault("shipping", {"parcels": [], "is_done": False, "redone": False, "at": ""})
        at = str(body.get("upload_time", ""))
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+08:00", at) or at <= shipping["at"]:
            raise Refusal(10060023, "发货信息未更新")
        if shipping["is_done"]:
            if shipping["redone"]:
                raise Refusal(10060003, "支付单已使用重新发货机会")
            shipping.update(redone=True, parcels=[])
        shipping["parcels"] += parcels
        shipping.update(at=at, is_done=not is_split or bool(body["is_all_delivered"]))
        if shipping["is_done"]:
            payment["shipping_state"] = "shipped"
        world.records.put("payment", payment["out_trade_no"], payment)
        return {"errcode": 0, "errmsg": "ok"}

    @call("POST", "/wxa/sec/order/get_order")
    def get_order(body: Record) -> Record:
        key = {"order_number_type": 2, "transaction_id": body.get("transaction_id")}
        if not body.get("transaction_id"):
            key = {
                "order_number_type": 1,
                "mchid": body.get("merchant_id"),
                "out_trade_no": body.get("merchant_trade_no"),
            }
        payment = _find_paid(world, key)
        paid_at = payment["success_at"]
        return {"errcode": 0, "errmsg": "ok", "order": {
            "transaction_id": payment["transaction_id"], "merchant_id": world.keys.names["merchant_id"],
            "merchant_trade_no": payment["out_trade_no"], "description": payment["description"],
            "paid_amount": payment["total"], "openid": payment["openid"], "trade_create_time": paid_at,
            "pay_time": paid_at, "order_state": _STATES[payment.get("shipping_state", "to_ship")],
            "in_complaint": False, "shipping": {"shipping_list": payment.get("shipping", {}).get("parcels", [])},
        }}  # fmt: skip

    return routes


def _find_paid(world: World, key: Any) -> Record:
    payment = None
    if isinstance(key, dict) and key.get("order_number_type") == 2:
        found = world.records.list_all("payment", lambda one: one.get("transaction_id") == key.get("transaction_id"))
        payment = found[0] if found else None
    elif isinstance(key, dict) and key.get("mchid") == world.keys.names["merchant_id"]:
        payment = world.records.find("payment", str(key.get("out_trade_no", "")))
    if payment is None or payment["state"] not in ("SUCCESS", "REFUND"):
        raise Refusal(10060001, "支付单不存在")
    return payment


def _check_secret(world: World, app_id: Any, secret: Any) -> None:
    if app_id != world.keys.names["app_id"]:
        raise Refusal(40013, "invalid appid")
    if secret != world.keys.names["app_secret"]:
        raise Refusal(40125, "invalid appsecret")


def _check_token(world: World) -> None:
    state = world.records.find("token", "stable") or {"tokens": []}
    now = world.now().timestamp()
    for token in state["tokens"]:
        if token["value"] == request.args.get("access_token"):
            if token["ends"] <= now:
                raise Refusal(42001, "access_token expired")
            return
    raise Refusal(40001, "invalid credential, access_token is invalid or not latest")


def _read_body() -> Record:
    if request.method == "GET":
        return {}
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise Refusal(47001, "data format error") from None
    if not isinstance(body, dict):
        raise Refusal(47001, "data format error")
    return body


def _answer(document: Record) -> Response:
    return Response(json.dumps(document, ensure_ascii=False), mimetype="application/json")


def _draw_square(width: int, *, seed: str) -> bytes:
    """Return a PNG of coloured squares that depend on the scene; nobody can scan it."""
    bits = int.from_bytes(zlib.crc32(seed.encode()).to_bytes(4, "big") * 8, "big")
    cell = max(1, width // 16)
    rows = b""
    for y in range(width):
        row = bytearray()
        for x in range(0, width, cell):
            is_dark = bits >> ((y // cell * 16 + x // cell) % 256) & 1
            row += (b"\x07\xc1\x60" if is_dark else b"\xff\xff\xff") * min(cell, width - x)
        rows += b"\0" + bytes(row)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, width, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
