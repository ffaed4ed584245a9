"""The simulated persons: codes that their clients hand over, paying, confirming, refusing."""

import re
import secrets
from datetime import timedelta

from simulator.records import Record
from simulator.world import World, from_text, to_text

CODE_LIFE = timedelta(minutes=5)
_OWN_CODE = re.compile(r"dev:([\w\-]{1,32}):(\w{1,32})")


class CannotBe(Exception):
    """What the person wants to do is not possible; the message says why."""


def make_code(world: World, *, name: str, purpose: str) -> str:
    """Return a fresh code of a person, good once and for five minutes. `purpose` is login, phone or alipay."""
    code = secrets.token_hex(16)
    ends = to_text(world.now() + CODE_LIFE)
    world.person(name)
    world.records.put("code", code, {"name": name, "purpose": purpose, "ends": ends, "used": False})
    return code


def take_code(world: World, purpose: str, code: str) -> str | None:
    """Return whose code it is and use it up; None for one that is unknown, used or old.

    `dev:NAME:ANYTHING` is a code of NAME without being asked for, good once like any other.
    """
    record = world.records.find("code", code)
    own = _OWN_CODE.fullmatch(code)
    if record is None and own is not None:
        record = {"name": own.group(1), "purpose": purpose, "ends": to_text(world.now() + CODE_LIFE), "used": False}
    if record is None or record["purpose"] != purpose or record["used"] or from_text(record["ends"]) < world.now():
        return None
    record["used"] = True
    world.records.put("code", code, record)
    return str(record["name"])


def list_open_payments(world: World) -> list[Record]:
    """Return what a person could pay now, newest first."""
    return [one for one in reversed(world.records.list_all("payment")) if find_obstacle(world, one) is None]


def find_obstacle(world: World, payment: Record) -> str | None:
    """Return why nobody can pay it, None when somebody can."""
    if payment["state"] == "CLOSED":
        return "订单已关闭 The order is closed"
    if payment["state"] not in ("NOTPAY", "PAYERROR", "USERPAYING"):
        return "订单已支付 The order is paid"
    if from_text(payment["time_expire"]) <= world.now():
        return "订单已过期 The order has expired"
    return None
