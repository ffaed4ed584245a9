"""The page at `/`: what waits for a person, and buttons to pay and to confirm. No build step, no outside asset."""

from urllib.parse import quote

from flask import Blueprint, Response, redirect, render_template, request

from simulator import alipay, transfers
from simulator.bills import to_yuan
from simulator.pay import PayDesk, pay
from simulator.people import CannotBe, list_open_payments
from simulator.postman import Postman
from simulator.world import World

_SHOWN = 50


def make_page(world: World, desk: PayDesk, postman: Postman) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("page", __name__, template_folder="templates")
    acts = {
        "pay": lambda no: pay(desk, no),
        "trade": lambda no: alipay.pay(world, no),
        "confirm": lambda no: transfers.confirm(world, no),
        "send": postman.send_again,
    }

    @routes.get("/")
    def show() -> str:
        with world.lock:
            people = {one["openid"]: one["name"] for one in world.records.list_all("person")}
            people |= {one["alipay_id"]: one["name"] for one in world.records.list_all("person")}
            return render_template(
                "page.html", now=world.now(), payments=list_open_payments(world)[:_SHOWN],
                trades=alipay.list_open_trades(world)[:_SHOWN], transfers=transfers.list_waiting(world)[:_SHOWN],
                notifies=world.records.list_all("notify")[::-1][:20], people=people, yuan=to_yuan,
                problem=request.args.get("problem", ""),
            )  # fmt: skip

    @routes.post("/do/<act>/<no>")
    def do(act: str, no: str) -> Response | tuple[str, int]:
        if act not in acts:
            return "", 404
        problem = ""
        try:
            with world.lock:
                acts[act](no)
        except CannotBe as error:
            problem = str(error)
        return redirect("/" if not problem else f"/?problem={quote(problem)}", 303)  # type: ignore[return-value]

    return routes
