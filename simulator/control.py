"""What tests and people use, under `/_control`: persons, codes, paying, confirming, faults, notifies, clock, keys."""

import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from simulator import alipay, transfers
from simulator.faults import FaultUnknown
from simulator.keys import save_keys
from simulator.pay import PayDesk, pay
from simulator.people import CannotBe, list_open_payments, make_code
from simulator.postman import Postman
from simulator.world import World, from_text


def make_control(world: World, desk: PayDesk, postman: Postman, settings: Callable[[], dict[str, str]]) -> Blueprint:
    """Return the routes. Each answers JSON; 409 says why something cannot be."""
    routes = Blueprint("control", __name__, url_prefix="/_control")

    def call(method: str, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def declare(act: Callable[..., Any]) -> Callable[..., Any]:
            def view(**ids: str) -> Response:
                try:
                    body = json.loads(request.get_data() or b"{}") if method == "POST" else {}
                    with world.lock:
                        result, status = act(body, **ids), 200
                except CannotBe as error:
                    result, status = {"error": str(error)}, 409
                except (FaultUnknown, ValueError, KeyError, TypeError, AttributeError) as error:
                    result, status = {"error": f"{type(error).__name__}: {error}"}, 400
                return Response(json.dumps(result, ensure_ascii=False), status, mimetype="application/json")

            routes.add_url_rule(path, act.__name__, view, methods=[method])
            return act

        return declare

    @call("GET", "/health")
    def health(_: Any) -> Any:
        return {"status": "up", "now": world.now().isoformat(), "settings": settings()}

    @call("GET", "/state")
    def state(_: Any) -> Any:
        kinds = ("payment", "refund", "transfer", "notify", "trade", "alipay_transfer", "message")
        return {kind: world.records.list_all(kind) for kind in kinds} | {"open": list_open_payments(world)}

    @call("POST", "/reset")
    def reset(_: Any) -> Any:
        world.records.clear()
        world.faults.waiting.clear()
        world.faults.set_policy({})
        world.faults.notifies.times = 0
        world.skew_seconds, world.signs_with, world.refund_seconds = 0.0, "asked", 0.5
        world.alipay_gateway_url = ""
        world.advance(-world.offset)
        return {}

    @call("POST", "/settings")
    def change(body: Any) -> Any:
        """Change `time_factor`, `refund_seconds`, `skew_seconds`, `signs_with`, `alipay_gateway_url`."""
        for name in ("time_factor", "refund_seconds", "skew_seconds"):
            if name in body:
                setattr(world, name, float(body.pop(name)))
        for name in ("signs_with", "alipay_gateway_url"):
            if name in body:
                setattr(world, name, str(body.pop(name)))
        if body:
            raise ValueError(f"unknown: {sorted(body)}")
        return {}

    @call("POST", "/clock")
    def clock(body: Any) -> Any:
        """Move the business clock: `advance_seconds`, or `at` an instant."""
        seconds = float(body.get("advance_seconds", 0))
        if "at" in body:
            seconds = (from_text(body["at"]) - world.now()).total_seconds()
        return {"now": world.advance(seconds).isoformat()}

    @call("POST", "/people/<name>")
    def person(body: Any, name: str) -> Any:
        """Return a person, after changing `blocked`, `phone`, `real_name` or adding to `consents`."""
        known = world.person(name)
        for template, count in body.pop("consents", {}).items():
            known["consents"][template] = known["consents"].get(template, 0) + int(count)
        unknown = set(body) - {"blocked", "phone", "real_name"}
        if unknown:
            raise ValueError(f"unknown: {sorted(unknown)}")
        known.update(body)
        return world.records.put("person", name, known)

    @call("POST", "/codes")
    def code(body: Any) -> Any:
        """Return a fresh code: `name`, and `purpose` login, phone or alipay."""
        made = make_code(world, name=body["name"], purpose=body.get("purpose", "login"))
        return {"code": made, "person": world.person(body["name"])}

    @call("POST", "/payments/<out_no>/pay")
    def pay_payment(_: Any, out_no: str) -> Any:
        return pay(desk, out_no)

    @call("POST", "/payments/<out_no>/state")
    def set_payment_state(body: Any, out_no: str) -> Any:
        """Put an unpaid payment into USERPAYING, PAYERROR or back to NOTPAY."""
        record = world.records.find("payment", out_no)
        if record is None or body["state"] not in ("USERPAYING", "PAYERROR", "NOTPAY") or record["transaction_id"]:
            raise CannotBe("没有这个未支付订单 There is no such unpaid order")
        return world.records.put("payment", out_no, record | {"state": body["state"]})

    @call("POST", "/payments/<out_no>/received")
    def receive(_: Any, out_no: str) -> Any:
        """Let the person confirm that the goods arrived."""
        record = world.records.find("payment", out_no)
        if record is None or record.get("shipping_state") != "shipped":
            raise CannotBe("没有已发货的订单 Nothing was shipped")
        return world.records.put("payment", out_no, record | {"shipping_state": "received"})

    @call("POST", "/refunds/<out_refund_no>/outcome")
    def set_outcome(body: Any, out_refund_no: str) -> Any:
        """Decide how a refund that is processing ends: SUCCESS, CLOSED or ABNORMAL."""
        record = world.records.find("refund", out_refund_no)
        if (
            record is None
            or body["outcome"] not in ("SUCCESS", "CLOSED", "ABNORMAL")
            or record["status"] != "PROCESSING"
        ):
            raise CannotBe("没有处理中的退款 No such refund is processing")
        record.update(ends_as=body["outcome"], ripens=0.0)
        return world.records.put("refund", out_refund_no, record)

    @call("POST", "/transfers/<out_no>/confirm")
    def confirm_transfer(_: Any, out_no: str) -> Any:
        return transfers.confirm(world, out_no)

    @call("POST", "/trades/<out_no>/pay")
    def pay_trade(_: Any, out_no: str) -> Any:
        return alipay.pay(world, out_no)

    @call("POST", "/faults")
    def add_fault(body: Any) -> Any:
        """Make the next calls go wrong; see simulator/faults.py."""
        return vars(world.faults.add(body))

    @call("POST", "/faults/clear")
    def clear_faults(_: Any) -> Any:
        world.faults.waiting.clear()
        return {}

    @call("POST", "/notifies/policy")
    def set_policy(body: Any) -> Any:
        """Make the next notifies repeat, late, held, dropped, edited or wrongly signed; see simulator/faults.py."""
        return vars(world.faults.set_policy(body))

    @call("POST", "/notifies/release")
    def release(body: Any) -> Any:
        world.faults.notifies.hold = False
        return {"released": postman.release(str(body.get("order", "fifo")))}

    @call("POST", "/notifies/<id>/send")
    def send_again(_: Any, id: str) -> Any:
        if not postman.send_again(id):
            raise CannotBe("没有这个通知 There is no such notify")
        return {}

    @call("POST", "/pushes")
    def push(body: Any) -> Any:
        """Push an `event` to a `url` as message push does, in secure mode."""
        id_ = world.make_no("push")
        world.post(
            {"id": id_, "host": "push", "url": body["url"], "event": body["event"]["Event"], "resource": body["event"]}
        )
        return {"id": id_}

    @call("POST", "/keys/rotate")
    def rotate(body: Any) -> Any:
        """Add a platform key that signs from now on: `which` is certificate or public_key."""
        rotators = {"certificate": world.keys.rotate_certificate, "public_key": world.keys.rotate_public_key}
        serial = rotators[body["which"]]()
        if world.directory is not None:
            save_keys(world.keys, world.directory)
        return {"serial": serial}

    return routes
