"""Alipay's gateway, under `/alipay/gateway.do`."""

import io
import json
import re
import secrets
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request

from simulator.bills import is_on, to_bill_time, to_yuan
from simulator.faults import edit_document
from simulator.keys import is_signed, sign
from simulator.people import CannotBe, take_code
from simulator.records import Record
from simulator.serving import misbehave_after, misbehave_before, take_fault
from simulator.world import ZONE, World, from_text, to_text

_SKEW = timedelta(minutes=15)
_YUAN = re.compile(r"\d{1,9}(\.\d{1,2})?")
_REFUND_DAYS = timedelta(days=365)
_BILL_NAMES = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,"
    "商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,"
    "卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)


class Refusal(Exception):
    """A code and a sub_code; the answer is still 200."""

    def __init__(self, sub_code: str, sub_msg: str = "", *, code: str = "40004", msg: str = "Business Failed") -> None:
        super().__init__(sub_code)
        self.document = {"code": code, "msg": msg, "sub_code": sub_code, "sub_msg": sub_msg}


Method = Callable[[Record, Record], Record]


def make_alipay(world: World) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("alipay", __name__, url_prefix="/alipay")
    methods: dict[str, Method] = {
        "alipay.system.oauth.token": lambda _, params: _log_in(world, params),
        "alipay.trade.create": lambda content, params: _create(world, content, params),
        "alipay.trade.query": lambda content, _: _describe(_find(world, content)),
        "alipay.trade.close": lambda content, _: _close(world, content),
        "alipay.trade.refund": lambda content, _: _refund(world, content),
        "alipay.trade.fastpay.refund.query": lambda content, _: _query_refund(world, content),
        "alipay.fund.trans.uni.transfer": lambda content, _: _transfer(world, content),
        "alipay.fund.trans.common.query": lambda content, _: _query_transfer(world, content),
        "alipay.data.dataservice.bill.downloadurl.query": lambda content, _: _offer_bill(world, content),
    }

    def serve() -> Response:
        params = {**request.args.to_dict(), **request.form.to_dict()}
        method = params.get("method", "")
        fault = take_fault(world, method)
        early = misbehave_before(fault)
        if early is not None:
            return early
        key = method.replace(".", "_") + "_response"
        is_unsigned = fault is not None and fault.kind == "unsigned"
        try:
            if method not in methods:
                raise Refusal("isv.invalid-method", code="40002", msg="Invalid Arguments")
            _verify(world, params)
            if fault is not None and fault.kind == "error":
                is_unknown = fault.status == 500 and fault.code == "SYSTEM_ERROR"
                raise Refusal("isp.unknow-error" if is_unknown else fault.code, fault.message,
                              code="20000" if is_unknown else "40004")  # fmt: skip
            content = json.loads(params.get("biz_content") or "{}")
            with world.lock:
                document = methods[method](content, params)
            if method != "alipay.system.oauth.token":
                document = {"code": "10000", "msg": "Success", **document}
        except Refusal as refusal:
            document = refusal.document
            if method == "alipay.system.oauth.token" or document["code"] == "40002":
                key = "error_response"
            is_unsigned = is_unsigned or refusal.document["sub_code"] == "isv.invalid-app-id"
        except (AttributeError, TypeError, KeyError, ValueError):
            document = Refusal("isv.invalid-parameter", code="40002", msg="Invalid Arguments").document
        if fault is not None and fault.kind == "edit":
            document = edit_document(document, fault.edit)
        shown = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        signature = sign(world.keys.alipay, shown.encode())
        if fault is not None and fault.kind == "bad_signature":
            signature = sign(world.keys.alipay, b"something else")
        text = f'{{"{key}":{shown}}}' if is_unsigned else f'{{"{key}":{shown},"sign":"{signature}"}}'
        return misbehave_after(fault, Response(text, mimetype="text/html"))

    def download(token: str) -> Response:
        with world.lock:
            file = world.records.find("alipay_bill", token)
        if file is None:
            return Response("", 404)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(_Named("20880000_业务明细.csv"), str(file["text"]).encode("gb18030"))
            archive.writestr(_Named("20880000_业务明细(汇总).csv"), "#支付宝业务汇总查询\r\n".encode("gb18030"))
        return Response(packed.getvalue(), mimetype="application/zip")

    routes.add_url_rule("/gateway.do", "gateway", serve, methods=["GET", "POST"])
    routes.add_url_rule("/bill/<token>", "bill", download)
    world.ripeners.append(lambda: _ripen(world))
    return routes


def pay(world: World, out_no: str) -> Record:
    """Let the person pay. Raises CannotBe."""
    trade = world.records.find("trade", out_no)
    if trade is None or trade["state"] != "WAIT_BUYER_PAY":
        raise CannotBe("没有待支付的交易 No trade waits for it")
    if from_text(trade["time_expire"]) <= world.now():
        raise CannotBe("交易已过期 The trade has expired")
    trade.update(state="TRADE_SUCCESS", paid_at=to_text(world.now()))
    world.records.put("trade", out_no, trade)
    _notify_trade(world, trade)
    return trade


def list_open_trades(world: World) -> list[Record]:
    """Return what a person could pay now, newest first."""
    now = world.now()
    return world.records.list_all(
        "trade", lambda one: one["state"] == "WAIT_BUYER_PAY" and from_text(one["time_expire"]) > now
    )[::-1]


class _Named(zipfile.ZipInfo):
    """A member whose name is written in GBK without saying so, as Alipay does."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's hook
        return self.filename.encode("gbk"), self.flag_bits


def _verify(world: World, params: Record) -> None:
    if params.get("app_id") != world.keys.names["alipay_app_id"]:
        raise Refusal("isv.invalid-app-id", "无效的AppID参数", code="40002", msg="Invalid Arguments")
    if params.get("sign_type") != "RSA2" or params.get("version") != "1.0":
        raise Refusal("isv.invalid-signature-type", code="40002", msg="Invalid Arguments")
    text = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "sign" and params[name])
    if not is_signed(world.keys.alipay_app.public_key(), str(params.get("sign", "")), text.encode()):
        raise Refusal("isv.invalid-signature", "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配",
                      code="40002", msg="Invalid Arguments")  # fmt: skip
    try:
        sent_at = datetime.strptime(params.get("timestamp", ""), "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE)
    except ValueError:
        raise Refusal("isv.invalid-timestamp", code="40002", msg="Invalid Arguments") from None
    # The time is not looked at closely by the real one either; what is hours off is refused here to be noticed.
    if (
        abs(sent_at.timestamp() - world.wall()) > _SKEW.total_seconds()
        and abs(sent_at.timestamp() - 8 * 3_600 - world.wall()) > _SKEW.total_seconds()
        and abs(sent_at.timestamp() + 8 * 3_600 - world.wall()) > _SKEW.total_seconds()
    ):
        raise Refusal("isv.invalid-timestamp", code="40002", msg="Invalid Arguments")


def _log_in(world: World, params: Record) -> Record:
    if params.get("grant_type") != "authorization_code":
        raise Refusal("isv.grant-type-invalid", code="40002", msg="Invalid Arguments")
    name = take_code(world, "alipay", str(params.get("code", "")))
    if name is None:
        raise Refusal("isv.code-invalid", "授权码code无效", code="40002", msg="Invalid Arguments")
    return {
        "user_id": world.person(name)["alipay_id"], "access_token": "authusrB" + secrets.token_hex(16),
        "expires_in": "300", "refresh_token": "authusrB" + secrets.token_hex(16), "re_expires_in": "300",
        "auth_start": to_bill_time(to_text(world.now())),
    }  # fmt: skip


def _create(world: World, content: Record, params: Record) -> Record:
    out_no, total = str(content.get("out_trade_no", "")), _read_yuan(content.get("total_amount"))
    buyer = str(content.get("buyer_id") or content.get("buyer_open_id") or "")
    if not re.fullmatch(r"\w{1,64}", out_no) or not content.get("subject"):
        raise Refusal("ACQ.INVALID_PARAMETER", "参数无效")
    if world.records.find("alipay_id", buyer) is None:
        raise Refusal("ACQ.BUYER_NOT_EXIST", "买家不存在")
    known = world.records.find("trade", out_no)
    if known is not None:
        if known["state"] in ("TRADE_SUCCESS", "TRADE_FINISHED"):
            raise Refusal("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
        if known["state"] == "TRADE_CLOSED":
            raise Refusal("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
        if known["total"] != total or known["buyer"] != buyer or known["subject"] != content["subject"]:
            raise Refusal("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
        return {"out_trade_no": out_no, "trade_no": known["trade_no"]}
    expires = world.now() + timedelta(days=15)
    if content.get("time_expire"):
        expires = datetime.strptime(content["time_expire"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE)
    trade = {
        "out_trade_no": out_no, "trade_no": world.make_no("20"), "total": total, "buyer": buyer,
        "subject": content["subject"], "state": "WAIT_BUYER_PAY", "notify_url": params.get("notify_url", ""),
        "created": to_text(world.now()), "time_expire": to_text(expires), "paid_at": "", "refunds": {},
    }  # fmt: skip
    world.records.put("trade", out_no, trade)
    return {"out_trade_no": out_no, "trade_no": trade["trade_no"]}


def _close(world: World, content: Record) -> Record:
    trade = _find(world, content)
    if trade["state"] == "TRADE_CLOSED":
        raise Refusal("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
    if trade["state"] != "WAIT_BUYER_PAY":
        raise Refusal("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
    trade["state"] = "TRADE_CLOSED"
    world.records.put("trade", trade["out_trade_no"], trade)
    return {"out_trade_no": trade["out_trade_no"], "trade_no": trade["trade_no"]}


def _refund(world: World, content: Record) -> Record:
    trade, wanted = _find(world, content), _read_yuan(content.get("refund_amount"))
    if not trade["paid_at"]:
        raise Refusal("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
    if from_text(trade["paid_at"]) + _REFUND_DAYS < world.now():
        raise Refusal("ACQ.TRADE_HAS_FINISHED", "交易已完结")
    request_no = str(content.get("out_request_no") or trade["trade_no"])
    refunds, changed = trade["refunds"], "N"
    if request_no in refunds:
        if refunds[request_no]["amount"] != wanted:
            raise Refusal("ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
    else:
        if sum(one["amount"] for one in refunds.values()) + wanted > trade["total"]:
            raise Refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
        refunds[request_no], changed = {"amount": wanted, "at": to_text(world.now())}, "Y"
        if sum(one["amount"] for one in refunds.values()) == trade["total"]:
            trade["state"] = "TRADE_CLOSED"
        world.records.put("trade", trade["out_trade_no"], trade)
        _notify_trade(world, trade, request_no=request_no)
    return {
        "out_trade_no": trade["out_trade_no"], "trade_no": trade["trade_no"], "fund_change": changed,
        "refund_fee": to_yuan(sum(one["amount"] for one in refunds.values())), "buyer_user_id": trade["buyer"],
        "gmt_refund_pay": to_bill_time(refunds[request_no]["at"]),
    }  # fmt: skip


def _query_refund(world: World, content: Record) -> Record:
    trade = _find(world, content)
    found = trade["refunds"].get(str(content.get("out_request_no", "")))
    if found is None:
        return {}
    return {
        "out_trade_no": trade["out_trade_no"], "trade_no": trade["trade_no"],
        "out_request_no": content["out_request_no"], "refund_amount": to_yuan(found["amount"]),
        "total_amount": to_yuan(trade["total"]), "refund_status": "REFUND_SUCCESS",
        "gmt_refund_pay": to_bill_time(found["at"]),
    }  # fmt: skip


def _transfer(world: World, content: Record) -> Record:
    out_no, amount = str(content.get("out_biz_no", "")), _read_yuan(content.get("trans_amount"))
    payee = content.get("payee_info") or {}
    if content.get("product_code") != "TRANS_ACCOUNT_NO_PWD" or content.get("biz_scene") != "DIRECT_TRANSFER":
        raise Refusal("INVALID_PARAMETER", "参数有误")
    if amount < 10 or not re.fullmatch(r"\w{1,64}", out_no):
        raise Refusal("INVALID_PARAMETER", "参数有误")
    kind, identity = payee.get("identity_type"), str(payee.get("identity", ""))
    if kind == "ALIPAY_LOGON_ID" and not payee.get("name"):
        raise Refusal("INVALID_PARAMETER", "收款方真实姓名必填")
    if kind != "ALIPAY_LOGON_ID" and world.records.find("alipay_id", identity) is None:
        raise Refusal("PAYEE_NOT_EXIST", "收款账号不存在")
    known = world.records.find("alipay_transfer", out_no)
    if known is not None and (known["amount"] != amount or known["identity"] != identity):
        raise Refusal("REQUEST_PROCESSING" if known["status"] == "DEALING" else "DUPLICATE_REQUEST_NO", "单号重复")
    if known is None:
        known = {
            "out_biz_no": out_no, "order_id": world.make_no("11"), "amount": amount, "identity": identity,
            "status": "SUCCESS", "at": to_text(world.now()), "ends_as": "", "ripens": 0.0, "error_code": "",
        }  # fmt: skip
        if identity.startswith("slow"):
            known.update(status="DEALING", ends_as="SUCCESS", ripens=world.wall() + world.refund_seconds)
        elif identity.startswith("fail"):
            known.update(status="DEALING", ends_as="FAIL", ripens=world.wall() + world.refund_seconds)
        world.records.put("alipay_transfer", out_no, known)
        _notify_transfer(world, known)
    return {"out_biz_no": out_no, "order_id": known["order_id"], "pay_fund_order_id": known["order_id"],
            "status": known["status"], "trans_date": to_bill_time(known["at"])}  # fmt: skip


def _query_transfer(world: World, content: Record) -> Record:
    known = world.records.find("alipay_transfer", str(content.get("out_biz_no", "")))
    if known is None:
        raise Refusal("ORDER_NOT_EXIST", "转账订单不存在")
    return _show_transfer(known)


def _show_transfer(known: Record) -> Record:
    shown = {
        "out_biz_no": known["out_biz_no"], "order_id": known["order_id"], "status": known["status"],
        "trans_amount": to_yuan(known["amount"]), "pay_date": to_bill_time(known["at"]),
    }  # fmt: skip
    return shown | ({"error_code": known["error_code"]} if known["error_code"] else {})


def _ripen(world: World) -> None:
    for known in world.records.list_open("alipay_transfer", lambda one: one["status"] != "DEALING"):
        if known["ripens"] <= world.wall():
            known.update(status=known["ends_as"], at=to_text(world.now()))
            known["error_code"] = "PAYEE_USERINFO_ERROR" if known["status"] == "FAIL" else ""
            world.records.put("alipay_transfer", known["out_biz_no"], known)
            _notify_transfer(world, known)


def _notify_transfer(world: World, known: Record) -> None:
    """Tell the application's gateway, where it has one, how a transfer ended."""
    if not world.alipay_gateway_url or known["status"] == "DEALING":
        return
    id_ = secrets.token_hex(17)
    content = {**_show_transfer(known), "product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER"}
    params = {
        "msg_method": "alipay.fund.trans.order.changed", "notify_id": id_, "version": "1.1", "charset": "utf-8",
        "app_id": world.keys.names["alipay_app_id"], "biz_content": json.dumps(content, ensure_ascii=False),
    }  # fmt: skip
    world.post({"id": id_, "host": "alipay", "url": world.alipay_gateway_url, "event": params["msg_method"],
                "resource": params})  # fmt: skip


def _offer_bill(world: World, content: Record) -> Record:
    try:
        on = date.fromisoformat(str(content.get("bill_date", "")))
    except ValueError:
        raise Refusal("isv.invalid-arguments", code="40002", msg="Invalid Arguments") from None
    rows = []
    for trade in world.records.list_all("trade", lambda one: bool(one["paid_at"])):
        if is_on(trade["paid_at"], on):
            rows.append(_write_row(trade, "交易", trade["paid_at"], trade["total"], ""))
        for number, one in trade["refunds"].items():
            if is_on(one["at"], on):
                rows.append(_write_row(trade, "退款", one["at"], -one["amount"], number))
    if not rows or on >= world.now().date():
        raise Refusal("isp.bill_not_exist", "账单不存在")
    head = ["#支付宝业务明细查询", "#账号：[20880000]", "#-----业务明细列表-----"]
    token = secrets.token_urlsafe(16)
    text = "\r\n".join([*head, _BILL_NAMES, *rows, "#-----业务明细列表结束-----"]) + "\r\n"
    world.records.put("alipay_bill", token, {"text": text})
    return {"bill_download_url": f"{request.host_url.rstrip('/')}/alipay/bill/{token}"}


def _write_row(trade: Record, kind: str, at: str, amount: int, request_no: str) -> str:
    yuan = to_yuan(amount)
    cells = [
        f"{trade['trade_no']}\t", f"{trade['out_trade_no']}\t", kind, trade["subject"].replace(",", " "),
        to_bill_time(trade["created"]), to_bill_time(at), "", "", "", "", "*(**)", yuan, yuan, "0.00", "0.00", "0.00",
        "0.00", "0.00", "", "0.00", "0.00", request_no, "0.00", "0.00", "",
    ]  # fmt: skip
    return ",".join(cells)


def _notify_trade(world: World, trade: Record, *, request_no: str = "") -> None:
    if not trade["notify_url"]:
        return
    id_ = secrets.token_hex(17)
    params = {
        "notify_type": "trade_status_sync", "notify_id": id_, "app_id": world.keys.names["alipay_app_id"],
        "charset": "utf-8", "version": "1.0", "trade_no": trade["trade_no"], "out_trade_no": trade["out_trade_no"],
        "trade_status": trade["state"], "total_amount": to_yuan(trade["total"]), "buyer_id": trade["buyer"],
        "gmt_create": to_bill_time(trade["created"]), "gmt_payment": to_bill_time(trade["paid_at"]),
        "subject": trade["subject"],
    }  # fmt: skip
    if request_no:
        total = sum(one["amount"] for one in trade["refunds"].values())
        params |= {
            "gmt_refund": to_bill_time(to_text(world.now())),
            "refund_fee": to_yuan(total),
            "out_biz_no": request_no,
        }
    world.post({"id": id_, "host": "alipay", "url": trade["notify_url"], "event": trade["state"], "resource": params})


def _describe(trade: Record) -> Record:
    shown: dict[str, Any] = {
        "out_trade_no": trade["out_trade_no"], "trade_no": trade["trade_no"], "trade_status": trade["state"],
        "total_amount": to_yuan(trade["total"]), "buyer_user_id": trade["buyer"], "buyer_logon_id": "139****0000",
    }  # fmt: skip
    return shown | ({"send_pay_date": to_bill_time(trade["paid_at"])} if trade["paid_at"] else {})


def _find(world: World, content: Record) -> Record:
    trade = world.records.find("trade", str(content.get("out_trade_no", "")))
    if trade is None:
        raise Refusal("ACQ.TRADE_NOT_EXIST", "交易不存在")
    return trade


def _read_yuan(text: Any) -> int:
    if not _YUAN.fullmatch(str(text)):
        raise Refusal("ACQ.INVALID_PARAMETER", "金额格式错误")
    whole, _, fraction = str(text).partition(".")
    return int(whole) * 100 + int(fraction.ljust(2, "0") or 0)
