"""A shop whose orders are paid, checked and received, for tests of risk."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.e2e.conftest import Caller
from tuike import commission, team
from tuike.shared.clock import format_instant, read_clock


class Shop:
    """Promoters and buyers with devices, whose orders are paid, checked and received."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.risk = caller.as_scope("operator")

    def make_promoter(self, name: str, *, device: str | None = None, inviter: str | None = None) -> dict[str, Any]:
        promoter = self.caller.make_promoter(external_id=name, **({"inviter_id": inviter} if inviter else {}))
        promoter["code"] = self.caller.make_link(promoter["id"])["code"]
        if device:
            self.touch(promoter, name, device=device)
        return promoter

    def touch(
        self, promoter: dict[str, Any], buyer: str, *, device: str | None = None, at: datetime | None = None
    ) -> None:
        fields = {"buyer_id": buyer, "at": format_instant(at or read_clock())}
        self.caller.make_touch(promoter["code"], **fields, **({"device_id": device} if device else {}))
        team.apply_lazy(self.caller.app.db, self.caller.app.graph)

    def buy(self, promoter: dict[str, Any], buyer: str, *, device: str | None = None, wait: int = 60,
            amount: int = 10_000, receive: bool = False, settle: bool = True) -> str:  # fmt: skip
        now = read_clock()
        self.touch(promoter, buyer, device=device, at=now - timedelta(seconds=wait))
        placed_at = format_instant(now)
        line = {"sku": "sku-1", "quantity": 1, "amount_minor": amount}
        order = self.caller.make_order(buyer_id=buyer, placed_at=placed_at, lines=[line])
        assert order["attribution"]["promoter_id"] == promoter["id"]
        self.caller.pay(order)
        if receive:
            body = {"received_at": placed_at}
            assert self.caller.post(f"orders/{order['id']}/receipt", body).status_code == 200
        if settle:
            self.settle()
        return str(order["id"])

    def settle(self) -> None:
        self.caller.settle()
        team.apply_lazy(self.caller.app.db, self.caller.app.graph)

    def set_rule(self, rule_id: str, *, mode: str = "live", action: str | None = None, **parameters: int) -> None:
        rule = next(one for one in self.risk.read("risk/rules")["items"] if one["id"] == rule_id)
        body = {
            "version": rule["version"], "parameters": rule["parameters"] | parameters,
            "action": action or rule["action"], "mode": mode,
        }  # fmt: skip
        answer = self.risk.put(f"risk/rules/{rule_id}", body)
        assert answer.status_code == 200, answer.text

    def statuses(self, order_id: str) -> list[str]:
        items = self.caller.read(f"orders/{order_id}/commissions")["items"]
        return [one["status"] for one in items if one["amount_minor"]]

    def wallet(self, promoter: dict[str, Any]) -> dict[str, Any]:
        return dict(self.caller.read(f"wallets/{promoter['id']}"))

    def accuse(self, *promoters: dict[str, Any], buyers: tuple[str, ...] = ()) -> dict[str, Any]:
        members = [{"account_kind": "promoter", "account_id": one["id"]} for one in promoters]
        members += [{"account_kind": "buyer", "account_id": one} for one in buyers]
        answer = self.risk.post("risk/cases", {"members": members, "note": "reported"})
        assert answer.status_code == 201, answer.text
        return dict(answer.get_json())

    def decide(self, case: dict[str, Any], action: str, status: int = 200, **fields: Any) -> dict[str, Any]:
        body = {"version": case["version"], "reason": "looked at it"} | fields
        answer = self.risk.post(f"risk/cases/{case['id']}/{action}", body)
        assert answer.status_code == status, answer.text
        return dict(answer.get_json())

    def release(self) -> commission.Released:
        return commission.release_due(self.caller.app.db, now=read_clock() + timedelta(days=3650))
