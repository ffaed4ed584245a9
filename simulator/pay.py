"""WeChat Pay APIv3 under `/pay`: the way of its calls, payments and refunds, certificates."""

import base64
import json
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response, request

from simulator.faults import Fault, edit_document
from simulator.keys import is_signed, sign
from simulator.people import CannotBe, find_obstacle
from simulator.records import Record
from simulator.serving import misbehave_after, misbehave_before, read_raw_path, take_fault
from simulator.world import World, from_text, to_text

PREFIX = "/pay"
SKEW_SECONDS = 300
MAX_REFUNDS = 50
REFUND_PAUSE = timedelta(minutes=1)
REFUND_DAYS = timedelta(days=365)
PREPAY_LIFE = timedelta(days=7)
LONGEST_LIFE = timedelta(days=90)
_OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
_OUT_REFUND_NO = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
_PART = re.compile(r'(\w+)="([^"]*)"')


class Refusal(Exception):
    """An error of APIv3: HTTP status, code, message."""

    def __init__(self, status: int, code: str, message: str, detail: Record | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.document: Record = {"code": code, "message": message} | ({} if detail is None else {"detail": detail})


Act = Callable[..., tuple[Record | None, int]]


class PayDesk:
    """Verifies, acts, signs. `call` declares a route."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.routes = Blueprint("pay", __name__, url_prefix=PREFIX)

    def call(self, name: str, method: str, path: str) -> Callable[[Act], Act]:
        """Declare a route: the decorated function takes the body and the ids of the path, under the lock."""

        def declare(act: Act) -> Act:
            def view(**ids: str) -> Response:
                return self._serve(f"pay.{name}", act, ids)

            self.routes.add_url_rule(path, name, view, methods=[method])
            return act

        return declare

    def _serve(self, name: str, act: Act, ids: dict[str, str]) -> Response:
        fault = take_fault(self.world, name)
        early = misbehave_before(fault)
        if early is not None:
            return early
        try:
            self.verify()
            if fault is not None and fault.kind == "error":
                raise Refusal(fault.status, fault.code, fault.message or "模拟的错误 simulated")
            with self.world.lock:
                document, status = act(_read_body(), **ids)
        except Refusal as refusal:
            document, status = refusal.document, refusal.status
        except (AttributeError, TypeError, KeyError, ValueError):
            document, status = Refusal(400, "PARAM_ERROR", "参数错误").document, 400
        if document is not None and fault is not None and fault.kind == "edit":
            document = edit_document(document, fault.edit)
        body = b"" if document is None else json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        answer = Response(body, status, mimetype="application/json")
        answer.headers["Request-ID"] = secrets.token_hex(16).upper()
        if status != 401:  # who asks is not known
            answer.headers.extend(self.sign_headers(body, fault=fault, wanted=request.headers.get("Wechatpay-Serial")))
        if fault is not None:
            answer.headers.extend(fault.headers)
        return misbehave_after(fault, answer)

    def verify(self) -> None:
        """Raise Refusal unless the merchant signed exactly this request, recently."""
        names, header = self.world.keys.names, request.headers.get("Authorization", "")
        scheme, _, rest = header.partition(" ")
        parts = dict(_PART.findall(rest))
        if scheme != "WECHATPAY2-SHA256-RSA2048":
            raise Refusal(401, "SIGN_ERROR", "Http头Authorization认证类型不正确")
        if not {"mchid", "nonce_str", "signature", "timestamp", "serial_no"} <= set(parts):
            raise Refusal(401, "SIGN_ERROR", "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》")
        if parts["mchid"] != names["merchant_id"]:
            raise Refusal(401, "SIGN_ERROR", "商户号不存在")
        if parts["serial_no"] != names["merchant_serial"]:
            raise Refusal(401, "SIGN_ERROR", "商户证书序列号有误。请使用签名私钥匹配的证书序列号")
        if not parts["timestamp"].isdigit() or abs(self.world.wall() - int(parts["timestamp"])) > SKEW_SECONDS:
            raise Refusal(401, "SIGN_ERROR", "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
        path, body = read_raw_path(PREFIX), request.get_data()
        head = f"{request.method}\n{path}\n{parts['timestamp']}\n{parts['nonce_str']}\n".encode()
        message = head + body + b"\n"
        if not is_signed(self.world.keys.merchant.public_key(), parts["signature"], message):
            information = {
                "method": request.method, "url": path, "truncated_sign_message": head.decode(errors="replace")[:200],
                "sign_message_length": len(message),
            }  # fmt: skip
            detail = {"field": "signature", "issue": "sign not match", "location": "authorization",
                      "sign_information": information}  # fmt: skip
            raise Refusal(401, "SIGN_ERROR", "错误的签名，验签失败", detail)
        wanted = request.headers.get("Wechatpay-Serial")
        if wanted and wanted not in self.world.keys.public_keys and wanted not in self.world.keys.certificates:
            raise Refusal(400, "PARAM_ERROR", "平台证书序列号Wechatpay-Serial错误")

    def sign_headers(self, body: bytes, *, fault: Fault | None = None, wanted: str | None = None) -> dict[str, str]:
        """Return the headers that prove the platform's answer or notify, or that fail to where a fault wants it."""
        kind = fault.kind if fault is not None else ""
        if kind == "unsigned":
            return {}
        serial, key = self._choose_key(wanted)
        timestamp = str(int(self.world.wall()) - (3_600 if kind == "stale" else 0))
        nonce = secrets.token_hex(16)
        signature = sign(key, f"{timestamp}\n{nonce}\n".encode() + body + b"\n")
        if kind == "bad_signature":
            signature = sign(key, b"something else")
        elif kind == "probe":
            signature = "WECHATPAY/SIGNTEST/" + signature
        elif kind == "unknown_serial":
            serial = secrets.token_hex(20).upper()
        return {
            "Wechatpay-Serial": serial, "Wechatpay-Signature": signature, "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce, "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        }  # fmt: skip

    def _choose_key(self, wanted: str | None) -> tuple[str, Any]:
        """Return the key to sign with: the kind that was asked for, or that the control fixed."""
        keys, mode = self.world.keys, self.world.signs_with
        if mode != "certificate" and wanted in keys.public_keys:
            return wanted, keys.public_keys[wanted]
        if mode == "public_key" or (mode == "asked" and wanted is None):
            serial = list(keys.public_keys)[-1]
            return serial, keys.public_keys[serial]
        serial = list(keys.certificates)[-1]
        return serial, keys.certificates[serial][0]

    def encrypt(self, plain: bytes, associated_data: str) -> Record:
        """Return what AEAD_AES_256_GCM makes of a text."""
        nonce = secrets.token_hex(6)
        key = self.world.keys.names["api_v3_key"].encode()
        hidden = AESGCM(key).encrypt(nonce.encode(), plain, associated_data.encode())
        return {
            "algorithm": "AEAD_AES_256_GCM", "ciphertext": base64.b64encode(hidden).decode(), "nonce": nonce,
            "associated_data": associated_data,
        }  # fmt: skip

    def notify(self, url: str, *, event: str, original: str, resource: Record, summary: str) -> None:
        """Hand a notify to the postman."""
        id_ = secrets.token_hex(16)
        envelope = {
            "id": id_, "create_time": to_text(self.world.now()), "resource_type": "encrypt-resource",
            "event_type": event, "summary": summary,
        }  # fmt: skip
        self.world.post(
            {"id": id_, "host": "pay", "url": url, "event": event, "envelope": envelope, "original": original,
             "resource": resource}
        )  # fmt: skip


def make_payments(desk: PayDesk) -> None:
    """Declare payments, refunds and certificates."""
    world, names = desk.world, desk.world.keys.names

    @desk.call("prepay", "POST", "/v3/pay/transactions/jsapi")
    def prepay(body: Record) -> tuple[Record, int]:
        _check_owner(body.get("mchid") == names["merchant_id"] and body.get("appid") == names["app_id"])
        out_no = str(body.get("out_trade_no", ""))
        if not _OUT_TRADE_NO.fullmatch(out_no):
            raise _param("out_trade_no", "商户订单号格式错误")
        amount, payer = body.get("amount") or {}, body.get("payer") or {}
        total = amount.get("total")
        if type(total) is not int or not 0 < total <= 10**10 or amount.get("currency", "CNY") != "CNY":
            raise _param("/body/amount/total", "金额错误")
        description = body.get("description")
        if not isinstance(description, str) or not 0 < len(description.encode()) <= 127:
            raise _param("/body/description", "商品描述错误")
        if len(str(body.get("attach", ""))) > 128:
            raise _param("/body/attach", "附加数据过长")
        check_notify_url(body.get("notify_url"))
        if world.find_person(str(payer.get("openid", ""))) is None:
            raise Refusal(400, "PARAM_ERROR", "无效的openid")
        now = world.now()
        expires = _read_expiry(world, body.get("time_expire"))
        content = {
            "total": total, "openid": payer["openid"], "description": description, "attach": body.get("attach", ""),
            "notify_url": body["notify_url"],
            "profit_sharing": bool((body.get("settle_info") or {}).get("profit_sharing")),
        }  # fmt: skip
        known = world.records.find("payment", out_no)
        if known is not None:
            _check_reentry(known, content)
            known["prepay_at"] = to_text(now)
            world.records.put("payment", out_no, known)
            return {"prepay_id": known["prepay_id"]}, 200
        record = {
            "out_trade_no": out_no, "prepay_id": f"wx{now:%d%H%M%S}{secrets.token_hex(13)}", "state": "NOTPAY",
            "time_expire": to_text(expires), "prepay_at": to_text(now), "created": to_text(now),
            "transaction_id": "", "success_time": "", "success_at": 0, "refunded": 0, "refunds": [], **content,
        }  # fmt: skip
        world.records.put("payment", out_no, record)
        return {"prepay_id": record["prepay_id"]}, 200

    @desk.call("get_payment", "GET", "/v3/pay/transactions/out-trade-no/<out_no>")
    def get_payment(_: Record, out_no: str) -> tuple[Record, int]:
        _check_owner(request.args.get("mchid") == names["merchant_id"])
        return describe_payment(world, _find(world, out_no)), 200

    @desk.call("get_payment_by_id", "GET", "/v3/pay/transactions/id/<transaction_id>")
    def get_payment_by_id(_: Record, transaction_id: str) -> tuple[Record, int]:
        _check_owner(request.args.get("mchid") == names["merchant_id"])
        found = world.records.list_all("payment", lambda one: one["transaction_id"] == transaction_id)
        if not found:
            raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
        return describe_payment(world, found[0]), 200

    @desk.call("close_payment", "POST", "/v3/pay/transactions/out-trade-no/<out_no>/close")
    def close_payment(body: Record, out_no: str) -> tuple[None, int]:
        _check_owner(body.get("mchid") == names["merchant_id"])
        payment = _find(world, out_no)
        if payment["state"] in ("SUCCESS", "REFUND"):
            raise Refusal(400, "ORDERPAID", "该订单已支付")
        if payment["state"] == "CLOSED":
            raise Refusal(400, "ORDER_CLOSED", "订单已关闭")
        if payment["state"] == "USERPAYING":
            raise Refusal(202, "USERPAYING", "用户支付中，需要输入密码")
        payment["state"] = "CLOSED"
        world.records.put("payment", out_no, payment)
        return None, 204

    @desk.call("refund", "POST", "/v3/refund/domestic/refunds")
    def refund(body: Record) -> tuple[Record, int]:
        out_refund_no = str(body.get("out_refund_no", ""))
        if not _OUT_REFUND_NO.fullmatch(out_refund_no):
            raise _param("out_refund_no", "商户退款单号格式错误")
        payment = _find_by_either(world, body)
        amount = body.get("amount") or {}
        wanted = amount.get("refund")
        if type(wanted) is not int or wanted <= 0:
            raise _param("/body/amount/refund", "退款金额错误")
        known = world.records.find("refund", out_refund_no)
        if known is not None:
            if known["refund"] != wanted or known["out_trade_no"] != payment["out_trade_no"]:
                raise Refusal(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试")
            return describe_refund(payment, known), 200
        _check_refundable(world, payment, wanted, amount.get("total"))
        if body.get("notify_url") is not None:
            check_notify_url(body["notify_url"])
        now = world.now()
        record = {
            "out_refund_no": out_refund_no, "refund_id": world.make_no("50"), "refund": wanted, "status": "PROCESSING",
            "out_trade_no": payment["out_trade_no"], "notify_url": body.get("notify_url") or "",
            "created": to_text(now), "success_time": "", "reason": str(body.get("reason", "")),
            "ripens": world.wall() + world.refund_seconds, "ends_as": "SUCCESS",
        }  # fmt: skip
        payment["refunds"].append(out_refund_no)
        payment["refunded"] += wanted
        world.records.put("payment", payment["out_trade_no"], payment)
        world.records.put("refund", out_refund_no, record)
        return describe_refund(payment, record), 200

    @desk.call("get_refund", "GET", "/v3/refund/domestic/refunds/<out_refund_no>")
    def get_refund(_: Record, out_refund_no: str) -> tuple[Record, int]:
        record = world.records.find("refund", out_refund_no)
        if record is None:
            raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
        return describe_refund(_find(world, record["out_trade_no"]), record), 200

    @desk.call("get_certificates", "GET", "/v3/certificates")
    def get_certificates(_: Record) -> tuple[Record, int]:
        return {"data": [
            {"serial_no": serial, "effective_time": to_text(one.not_valid_before_utc),
             "expire_time": to_text(one.not_valid_after_utc),
             "encrypt_certificate": desk.encrypt(one.public_bytes(Encoding.PEM), "certificate")}
            for serial, (_, one) in world.keys.certificates.items()
        ]}, 200  # fmt: skip

    world.ripeners.append(lambda: _ripen_refunds(desk))


def pay(desk: PayDesk, out_no: str) -> Record:
    """Let the person pay. Raises CannotBe."""
    world = desk.world
    payment = world.records.find("payment", out_no)
    if payment is None:
        raise CannotBe("没有这个订单 There is no such order")
    obstacle = find_obstacle(world, payment)
    if obstacle is not None:
        raise CannotBe(obstacle)
    now = world.now()
    payment.update(state="SUCCESS", transaction_id=world.make_no("42"), success_time=to_text(now),
                   success_at=int(now.timestamp()))  # fmt: skip
    world.records.put("payment", out_no, payment)
    desk.notify(payment["notify_url"], event="TRANSACTION.SUCCESS", original="transaction",
                resource=describe_payment(world, payment), summary="支付成功")  # fmt: skip
    return payment


def describe_payment(world: World, payment: Record) -> Record:
    """Return a payment as a query or a notify shows it."""
    names = world.keys.names
    texts = {"SUCCESS": "支付成功", "REFUND": "转入退款", "NOTPAY": "订单未支付", "CLOSED": "订单已关闭",
             "USERPAYING": "用户支付中", "PAYERROR": "支付失败"}  # fmt: skip
    document: Record = {
        "appid": names["app_id"], "mchid": names["merchant_id"], "out_trade_no": payment["out_trade_no"],
        "trade_state": payment["state"], "trade_state_desc": texts[payment["state"]], "attach": payment["attach"],
        "amount": {"total": payment["total"], "currency": "CNY"}, "payer": {"openid": payment["openid"]},
    }  # fmt: skip
    if payment["transaction_id"]:
        document.update(
            transaction_id=payment["transaction_id"], trade_type="JSAPI", bank_type="OTHERS",
            success_time=payment["success_time"],
        )  # fmt: skip
        document["amount"].update(payer_total=payment["total"], payer_currency="CNY")
    return document


def describe_refund(payment: Record, record: Record) -> Record:
    """Return a refund as an answer shows it."""
    document = {
        "refund_id": record["refund_id"], "out_refund_no": record["out_refund_no"],
        "transaction_id": payment["transaction_id"], "out_trade_no": payment["out_trade_no"], "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱", "create_time": record["created"], "status": record["status"],
        "funds_account": "AVAILABLE",
        "amount": {"total": payment["total"], "refund": record["refund"], "payer_total": payment["total"],
                   "payer_refund": record["refund"], "settlement_refund": record["refund"],
                   "settlement_total": payment["total"], "discount_refund": 0, "currency": "CNY"},
    }  # fmt: skip
    return document | ({"success_time": record["success_time"]} if record["success_time"] else {})


def check_notify_url(url: Any) -> None:
    """Raise Refusal for an address that the platform would not call; loopback may do without TLS."""
    parts = urlsplit(url if isinstance(url, str) else "")
    is_near = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not (parts.scheme == "https" or (parts.scheme == "http" and is_near)) or parts.query or len(str(url)) > 255:
        raise _param("/body/notify_url", "通知地址必须为https且不能携带参数")


def _ripen_refunds(desk: PayDesk) -> None:
    world = desk.world
    for record in world.records.list_open("refund", lambda one: one["status"] != "PROCESSING"):
        if record["ripens"] > world.wall():
            continue
        payment = world.records.find("payment", record["out_trade_no"])
        assert payment is not None
        record["status"] = record["ends_as"]
        if record["status"] == "SUCCESS":
            record["success_time"] = to_text(world.now())
            payment["state"] = "REFUND"
            if payment["refunded"] >= payment["total"] and payment.get("shipping_state"):
                payment["shipping_state"] = "refunded"
        elif record["status"] == "CLOSED":
            payment["refunded"] -= record["refund"]
        world.records.put("payment", payment["out_trade_no"], payment)
        world.records.put("refund", record["out_refund_no"], record)
        if record["notify_url"]:
            shown = describe_refund(payment, record)
            resource = {
                "mchid": world.keys.names["merchant_id"], "refund_status": record["status"],
                **{name: shown[name] for name in shown if name not in ("status", "channel", "funds_account")},
            }  # fmt: skip
            desk.notify(record["notify_url"], event=f"REFUND.{record['status']}", original="refund",
                        resource=resource, summary="退款通知")  # fmt: skip


def _check_refundable(world: World, payment: Record, wanted: int, total: Any) -> None:
    now = world.now()
    if payment["state"] not in ("SUCCESS", "REFUND"):
        raise Refusal(400, "INVALID_REQUEST", "订单未支付，不可退款")
    if total != payment["total"]:
        raise Refusal(400, "PARAM_ERROR", "订单金额不一致")
    if from_text(payment["success_time"]) + REFUND_DAYS < now:
        raise Refusal(400, "INVALID_REQUEST", "订单已超过可退款时间")
    if payment["refunded"] + wanted > payment["total"]:
        raise Refusal(400, "INVALID_REQUEST", "申请退款金额大于订单剩余可退金额")
    if len(payment["refunds"]) >= MAX_REFUNDS:
        raise Refusal(403, "RULE_LIMIT", "退款次数超过限制")
    if payment["refunds"]:
        last = world.records.find("refund", payment["refunds"][-1])
        assert last is not None
        if from_text(last["created"]) + REFUND_PAUSE > now:
            raise Refusal(429, "FREQUENCY_LIMITED", "同一笔订单退款间隔不得少于1分钟")


def _check_reentry(known: Record, content: Record) -> None:
    if known["state"] in ("SUCCESS", "REFUND"):
        raise Refusal(400, "ORDERPAID", "该订单已支付")
    if known["state"] == "CLOSED":
        raise Refusal(400, "ORDER_CLOSED", "该订单已关闭")
    if any(known[name] != value for name, value in content.items()):
        raise Refusal(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")


def _read_expiry(world: World, text: Any) -> Any:
    now = world.now()
    if text is None:
        return now + PREPAY_LIFE
    try:
        expires = from_text(str(text))
    except ValueError:
        raise _param("/body/time_expire", "交易结束时间格式错误") from None
    if not now + timedelta(seconds=58) <= expires <= now + LONGEST_LIFE:
        raise _param("/body/time_expire", "交易结束时间须在1分钟后、90天内")
    return expires


def _find(world: World, out_no: str) -> Record:
    payment = world.records.find("payment", out_no)
    if payment is None:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    return payment


def _find_by_either(world: World, body: Record) -> Record:
    payment = world.records.find("payment", str(body.get("out_trade_no", "")))
    if payment is None and body.get("transaction_id"):
        found = world.records.list_all("payment", lambda one: one["transaction_id"] == body["transaction_id"])
        payment = found[0] if found else None
    if payment is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在")
    return payment


def _param(field: str, issue: str) -> Refusal:
    return Refusal(400, "PARAM_ERROR", issue, {"field": field, "issue": issue, "location": "body"})


def _check_owner(is_own: bool) -> None:
    if not is_own:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配，请检查后再试")


def _read_body() -> Record:
    raw = request.get_data()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refusal(400, "PARAM_ERROR", "请求体不是JSON") from None
    if not isinstance(body, dict):
        raise Refusal(400, "PARAM_ERROR", "请求体不是JSON对象")
    return body
