"""Transfers to people (商家转账), which the recipient confirms; under `/pay`."""

import base64
import re
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from flask import request

from simulator.pay import PayDesk, Refusal, check_notify_url
from simulator.people import CannotBe
from simulator.records import Record
from simulator.world import World, from_text, to_text

_OUT_BILL_NO = re.compile(r"[0-9A-Za-z]{1,32}")
_BASE = "/v3/fund-app/mch-transfer/transfer-bills"
_FINAL = ("SUCCESS", "FAIL", "CANCELLED")
NAME_NEEDED = 200_000
NAME_TAKEN = 30
CONFIRM_WITHIN = timedelta(hours=24)
KEPT = timedelta(days=30)
SCENES = frozenset({"1000", "1001", "1002", "1005", "1006", "1009", "1010", "1011"})


def make_transfers(desk: PayDesk) -> None:
    """Declare the calls."""
    world, names = desk.world, desk.world.keys.names

    @desk.call("transfer", "POST", _BASE)
    def transfer(body: Record) -> tuple[Record, int]:
        if body.get("appid") != names["app_id"]:
            raise Refusal(400, "INVALID_REQUEST", "APPID不存在")
        out_no, amount = str(body.get("out_bill_no", "")), body.get("transfer_amount")
        if not _OUT_BILL_NO.fullmatch(out_no):
            raise Refusal(400, "PARAM_ERROR", "商户单号只能由数字、大小写字母组成")
        if type(amount) is not int or amount < 10:
            raise Refusal(400, "PARAM_ERROR", "转账金额错误")
        if body.get("transfer_scene_id") not in SCENES:
            raise Refusal(400, "INVALID_REQUEST", "你尚未获取该转账场景")
        if not 0 < len(str(body.get("transfer_remark", ""))) <= 32:
            raise Refusal(400, "PARAM_ERROR", "转账备注错误")
        infos = body.get("transfer_scene_report_infos")
        if (
            not isinstance(infos, list)
            or not infos
            or not all(isinstance(one, dict) and one.get("info_type") and one.get("info_content") for one in infos)
        ):
            raise Refusal(400, "PARAM_ERROR", "转账场景报备信息缺失")
        person = world.find_person(str(body.get("openid", "")))
        if person is None:
            raise Refusal(400, "INVALID_REQUEST", "openid与appid不匹配")
        if body.get("notify_url") is not None:
            check_notify_url(body["notify_url"])
        name = _read_name(world, body, amount)
        content = {"amount": amount, "openid": person["openid"], "scene": body["transfer_scene_id"], "name": name}
        known = world.records.find("transfer", out_no)
        if known is not None:
            if any(known[part] != value for part, value in content.items()):
                raise Refusal(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")
            return _describe_new(known), 200
        now = world.now()
        record = {
            "out_bill_no": out_no, "transfer_bill_no": world.make_no("13"), "state": "WAIT_USER_CONFIRM",
            "package_info": base64.urlsafe_b64encode(f"package:{out_no}".encode()).decode(),
            "created": to_text(now), "updated": to_text(now), "remark": body["transfer_remark"], "fail_reason": "",
            "notify_url": body.get("notify_url") or "", "person": person["name"], "ripens": 0.0, "ends_as": "",
            **content,
        }  # fmt: skip
        if name and name != person.get("real_name", name):
            record.update(state="ACCEPTED", ripens=world.wall() + world.refund_seconds, ends_as="FAIL",
                          fail_reason="NAME_NOT_CORRECT")  # fmt: skip
        world.records.put("transfer", out_no, record)
        return _describe_new(record), 200

    @desk.call("get_transfer", "GET", f"{_BASE}/out-bill-no/<out_no>")
    def get_transfer(_: Record, out_no: str) -> tuple[Record, int]:
        return _describe(world, _find(world, out_no)), 200

    @desk.call("get_transfer_by_no", "GET", f"{_BASE}/transfer-bill-no/<bill_no>")
    def get_transfer_by_no(_: Record, bill_no: str) -> tuple[Record, int]:
        found = world.records.list_all("transfer", lambda one: one["transfer_bill_no"] == bill_no)
        return _describe(world, _find(world, found[0]["out_bill_no"] if found else "")), 200

    @desk.call("cancel_transfer", "POST", f"{_BASE}/out-bill-no/<out_no>/cancel")
    def cancel_transfer(_: Record, out_no: str) -> tuple[Record, int]:
        record = _find(world, out_no)
        if record["state"] not in ("ACCEPTED", "WAIT_USER_CONFIRM", "CANCELING", "CANCELLED"):
            raise Refusal(400, "INVALID_REQUEST", "当前单据状态不支持撤销")
        if record["state"] in ("ACCEPTED", "WAIT_USER_CONFIRM"):
            _move(world, record, "CANCELING", ends_as="CANCELLED")
        return {"out_bill_no": out_no, "transfer_bill_no": record["transfer_bill_no"], "state": record["state"],
                "update_time": record["updated"]}, 200  # fmt: skip

    world.ripeners.append(lambda: _ripen(desk))


def confirm(world: World, out_no: str) -> Record:
    """Let the recipient take the money. Raises CannotBe."""
    record = world.records.find("transfer", out_no)
    if record is None or record["state"] != "WAIT_USER_CONFIRM":
        raise CannotBe("没有待确认的转账 No transfer waits for it")
    _move(world, record, "TRANSFERING", ends_as="SUCCESS")
    return record


def list_waiting(world: World) -> list[Record]:
    """Return the transfers that wait for their recipient, newest first."""
    open_ones = world.records.list_open("transfer", lambda one: one["state"] in _FINAL)
    return [one for one in reversed(open_ones) if one["state"] == "WAIT_USER_CONFIRM"]


def _move(world: World, record: Record, state: str, *, ends_as: str) -> None:
    record.update(state=state, updated=to_text(world.now()), ends_as=ends_as,
                  ripens=world.wall() + world.refund_seconds)  # fmt: skip
    world.records.put("transfer", record["out_bill_no"], record)


def _ripen(desk: PayDesk) -> None:
    world = desk.world
    for record in world.records.list_open("transfer", lambda one: one["state"] in _FINAL):
        if record["state"] == "WAIT_USER_CONFIRM":
            if from_text(record["created"]) + CONFIRM_WITHIN > world.now():
                continue
            record.update(ends_as="FAIL", fail_reason="OVERDUE_CLOSE")
        elif record["ripens"] > world.wall():
            continue
        record.update(state=record["ends_as"], updated=to_text(world.now()))
        world.records.put("transfer", record["out_bill_no"], record)
        if record["notify_url"]:
            resource = {"mch_id": world.keys.names["merchant_id"], **_describe(world, record)}
            del resource["mchid"], resource["appid"]
            desk.notify(record["notify_url"], event="MCHTRANSFER.BILL.FINISHED", original="mch_payment",
                        resource=resource, summary="商家转账单据终态通知")  # fmt: skip


def _read_name(world: World, body: Record, amount: int) -> str:
    hidden = body.get("user_name")
    if not hidden:
        if amount >= NAME_NEEDED:
            raise Refusal(400, "PARAM_ERROR", "转账金额大于等于2000元时，收款用户姓名必填")
        return ""
    if amount < NAME_TAKEN:
        raise Refusal(400, "PARAM_ERROR", "转账金额小于0.3元时，不允许填写收款用户姓名")
    serial = request.headers.get("Wechatpay-Serial", "")
    pair = world.keys.certificates.get(serial)
    key = world.keys.public_keys.get(serial) or (pair[0] if pair else None)
    scheme = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - theirs
    try:
        assert key is not None
        return key.decrypt(base64.b64decode(str(hidden)), scheme).decode()
    except (AssertionError, ValueError):
        raise Refusal(400, "PARAM_ERROR", "收款用户姓名解密失败") from None


def _describe_new(record: Record) -> Record:
    document = {
        "out_bill_no": record["out_bill_no"], "transfer_bill_no": record["transfer_bill_no"],
        "create_time": record["created"], "state": record["state"],
    }  # fmt: skip
    return document | ({"package_info": record["package_info"]} if record["state"] == "WAIT_USER_CONFIRM" else {})


def _describe(world: World, record: Record) -> dict[str, Any]:
    names = world.keys.names
    document = {
        "mchid": names["merchant_id"], "appid": names["app_id"], "out_bill_no": record["out_bill_no"],
        "transfer_bill_no": record["transfer_bill_no"], "state": record["state"], "openid": record["openid"],
        "transfer_amount": record["amount"], "transfer_remark": record["remark"], "create_time": record["created"],
        "update_time": record["updated"],
    }  # fmt: skip
    return document | ({"fail_reason": record["fail_reason"]} if record["state"] == "FAIL" else {})


def _find(world: World, out_no: str) -> Record:
    record = world.records.find("transfer", out_no)
    if record is None or from_text(record["created"]) + KEPT < world.now():
        raise Refusal(404, "NOT_FOUND", "记录不存在")
    return record
