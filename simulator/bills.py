"""Daily bills of WeChat Pay: made at ten the next morning, downloaded by a token, whole or packed."""

import gzip
import hashlib
import secrets
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from flask import Response, request

from simulator.pay import PREFIX, PayDesk, Refusal
from simulator.records import Record
from simulator.serving import misbehave_after, misbehave_before, take_fault
from simulator.world import ZONE, World, from_text

_TRADE_NAMES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
_TRADE_TOTALS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_FUND_NAMES = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,"
    "业务凭证号"
)
_FUND_TOTALS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


def make_bills(desk: PayDesk) -> None:
    """Declare the calls."""
    world = desk.world

    @desk.call("get_trade_bill", "GET", "/v3/bill/tradebill")
    def get_trade_bill(_: Record) -> tuple[Record, int]:
        return _offer(world, _write_trades(world, _read_date(world))), 200

    @desk.call("get_fund_bill", "GET", "/v3/bill/fundflowbill")
    def get_fund_bill(_: Record) -> tuple[Record, int]:
        return _offer(world, _write_funds(world, _read_date(world))), 200

    def download() -> Response:
        fault = take_fault(world, "pay.download_bill")
        early = misbehave_before(fault)
        if early is not None:
            return early
        try:
            desk.verify()
        except Refusal as refusal:
            return Response(str(refusal), refusal.status)
        with world.lock:
            file = world.records.find("bill", request.args.get("token", ""))
        if file is None:
            return Response("", 404)
        raw = str(file["text"]).encode()
        if fault is not None and fault.kind == "edit":
            raw = raw.replace(b"`", b"` ", 1)
        packed = gzip.compress(raw) if file["packed"] else raw
        return misbehave_after(fault, Response(packed, mimetype="application/octet-stream"))

    desk.routes.add_url_rule("/v3/billdownload/file", "download_bill", download)


def to_yuan(minor: int) -> str:
    """Return 分 as yuan."""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def is_on(text: str, on: date) -> bool:
    """Tell whether an instant lies on a Beijing day."""
    return bool(text) and from_text(text).astimezone(ZONE).date() == on


def to_bill_time(text: str) -> str:
    """Return an instant as bills write it."""
    return from_text(text).astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")


def _read_date(world: World) -> date:
    try:
        on = date.fromisoformat(request.args.get("bill_date", ""))
    except ValueError:
        raise Refusal(400, "PARAM_ERROR", "bill_date格式错误") from None
    ready = datetime(on.year, on.month, on.day, 10, tzinfo=ZONE) + timedelta(days=1)
    if on >= world.now().date():
        raise Refusal(400, "INVALID_REQUEST", "不能查询当日或之后的账单")
    if world.now() < ready:
        raise Refusal(400, "STATEMENT_CREATING", "账单生成中，请稍后再试")
    return on


def _offer(world: World, text: str) -> Record:
    if not text:
        raise Refusal(400, "NO_STATEMENT_EXIST", "账单文件不存在")
    token = secrets.token_urlsafe(24)
    is_packed = request.args.get("tar_type") == "GZIP"
    world.records.put("bill", token, {"text": text, "packed": is_packed})
    return {
        "hash_type": "SHA1", "hash_value": hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
        "download_url": f"{request.host_url.rstrip('/')}{PREFIX}/v3/billdownload/file?token={token}",
    }  # fmt: skip


def _write_trades(world: World, on: date) -> str:
    names = world.keys.names
    rows = []
    for one in world.records.list_all("payment", lambda one: is_on(one["success_time"], on)):
        yuan = to_yuan(one["total"])
        rows.append([
            to_bill_time(one["success_time"]), names["app_id"], names["merchant_id"], "0", "", one["transaction_id"],
            one["out_trade_no"], one["openid"], "JSAPI", "SUCCESS", "OTHERS", "CNY", yuan, "0.00", "0", "0", "0.00",
            "0.00", "", "", one["description"].replace(",", " "), one["attach"].replace(",", " "),
            _to_fee(one["total"]), "0.60%", yuan, "0.00", "",
        ])  # fmt: skip
    for refund in world.records.list_all("refund", lambda one: is_on(one["created"], on) and one["status"] != "CLOSED"):
        paid = world.records.find("payment", refund["out_trade_no"])
        assert paid is not None
        yuan = to_yuan(refund["refund"])
        rows.append([
            to_bill_time(refund["created"]), names["app_id"], names["merchant_id"], "0", "", paid["transaction_id"],
            paid["out_trade_no"], paid["openid"], "JSAPI", "REFUND", "OTHERS", "CNY", "0.00", "0.00",
            refund["refund_id"], refund["out_refund_no"], yuan, "0.00", "ORIGINAL", refund["status"],
            paid["description"].replace(",", " "), paid["attach"].replace(",", " "), _to_fee(-refund["refund"]),
            "0.60%", "0.00", yuan, "",
        ])  # fmt: skip
    if not rows:
        return ""
    paid_total, refunded = _sum(row[24] for row in rows), _sum(row[25] for row in rows)
    fees = _to_fee(_to_minor(paid_total) - _to_minor(refunded))
    totals = [str(len(rows)), paid_total, refunded, "0.00", fees, paid_total, refunded]
    return _write(_TRADE_NAMES, rows, _TRADE_TOTALS, totals)


def _write_funds(world: World, on: date) -> str:
    moves: list[tuple[str, str, str, str, int, str]] = []  # when, business no, flow no, business, amount, voucher
    for one in world.records.list_all("payment", lambda one: bool(one["transaction_id"])):
        no = one["transaction_id"]
        moves.append((one["success_time"], no, f"f{no}", "交易", one["total"], one["out_trade_no"]))
    for one in world.records.list_all("refund", lambda one: one["status"] == "SUCCESS"):
        no = one["refund_id"]
        moves.append((one["created"], no, f"f{no}", "退款", -one["refund"], one["out_refund_no"]))
    for one in world.records.list_all("transfer"):
        no = one["transfer_bill_no"]
        moves.append((one["created"], no, f"f{no}", "商家转账", -one["amount"], one["out_bill_no"]))
        if one["state"] in ("FAIL", "CANCELLED"):
            moves.append((one["updated"], no, f"b{no}", "商家转账退回", one["amount"], one["out_bill_no"]))
    moves.sort(key=lambda move: from_text(move[0]))
    rows, balance = [], 0
    came: list[int] = []
    left: list[int] = []
    for at, business_no, flow_no, business, amount, voucher in moves:
        balance += amount
        if not is_on(at, on):
            continue
        (came if amount > 0 else left).append(abs(amount))
        rows.append([
            to_bill_time(at), business_no, flow_no, business, business, "收入" if amount > 0 else "支出",
            to_yuan(abs(amount)), to_yuan(balance), "system", "", voucher,
        ])  # fmt: skip
    if not rows:
        return ""
    totals = [str(len(rows)), str(len(came)), to_yuan(sum(came)), str(len(left)), to_yuan(sum(left))]
    return _write(_FUND_NAMES, rows, _FUND_TOTALS, totals)


def _sum(amounts: Iterable[str]) -> str:
    return to_yuan(sum(_to_minor(amount) for amount in amounts))


def _to_minor(yuan: str) -> int:
    return int(yuan.replace(".", ""))


def _to_fee(minor: int) -> str:
    """Return six thousandths of an amount of 分, as yuan with five decimals: less than a 分 for what is cheap."""
    fee = abs(minor) * 6
    return f"{'-' if minor < 0 else ''}{fee // 100_000}.{fee % 100_000:05d}"


def _write(names: str, rows: list[list[str]], total_names: str, totals: list[str]) -> str:
    lines = [names, *("`" + ",`".join(row) for row in rows), total_names, "`" + ",`".join(totals)]
    return "\ufeff" + "\r\n".join(lines) + "\r\n"
