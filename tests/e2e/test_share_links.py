"""What happens when somebody opens a share link."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from tests.e2e.conftest import Caller

SHOP = "https://shop.example"


def _open(caller: Caller, code: str, **options: object) -> TestResponse:
    return caller.flask.test_client(use_cookies=False).open(f"/s/{code}", **options)  # type: ignore[arg-type]


def _count_touches(caller: Caller) -> int:
    with caller.app.db.transaction() as tx:
        return int(tx.exec_driver_sql("SELECT count(*) FROM journal WHERE kind = 'touch'").scalar_one())


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ({"type": "product", "id": "sku-1"}, "/products/sku-1"),
        ({"type": "product", "id": "a/b?c=推#d"}, "/products/a%2Fb%3Fc%3D%E6%8E%A8%23d"),
        ({"type": "product"}, "/products"),
        ({"type": "page", "id": "spring"}, "/pages/spring"),
        ({"type": "shop"}, "/"),
    ],
)
def test_a_visitor_is_sent_to_the_target_with_the_touch(caller: Caller, target: dict[str, str], path: str) -> None:
    promoter = caller.make_promoter()
    link = caller.make_link(promoter["id"], target=target)
    assert link["url"] == f"{caller.app.config.public_url}/s/{link['code']}"
    answer = _open(caller, link["code"])
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    where, _, query = answer.headers["Location"].partition("?")
    assert where == SHOP + path
    touch_id = query.removeprefix("tuike_touch=")
    assert [step["id"] for step in caller.read(f"touches/{touch_id}/path")["items"]] == [touch_id]
    order = caller.make_order(touch_id=touch_id, placed_at=_now())
    assert order["attribution"]["promoter_id"] == promoter["id"]


def test_the_visitor_cookie_is_first_party_and_kept(caller: Caller) -> None:
    link = caller.make_link(caller.make_promoter()["id"])
    first = _open(caller, link["code"]).headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=31536000", "Path=/"} <= set(first.split("; "))
    value = first.split(";")[0].removeprefix("tuike_visitor=")
    assert value.startswith("vis_")
    again = _open(caller, link["code"], headers={"Cookie": f"tuike_visitor={value}"})
    assert f"tuike_visitor={value}" in again.headers["Set-Cookie"]
    order = caller.make_order(visitor_id=value, placed_at=_now())
    assert order["attribution"]["promoter_id"] == link["promoter_id"]


@pytest.mark.parametrize("value", ["x", "a b", "<script>", "v" * 65, "a\x01bcdefgh", "推" * 8])
def test_a_cookie_that_is_not_ours_is_replaced(caller: Caller, value: str) -> None:
    link = caller.make_link(caller.make_promoter()["id"])
    cookie = f"tuike_visitor={value}".encode().decode("latin-1")
    answer = _open(caller, link["code"], headers={"Cookie": cookie})
    assert answer.status_code == 302
    assert answer.headers["Set-Cookie"].startswith("tuike_visitor=vis_")


def test_looking_at_a_link_is_not_opening_it(caller: Caller) -> None:
    link = caller.make_link(caller.make_promoter()["id"])
    answer = _open(caller, link["code"], method="HEAD")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{SHOP}/products/sku-1")
    assert "Set-Cookie" not in answer.headers
    assert _count_touches(caller) == 0


def test_a_link_that_is_not_there_records_nothing(
    caller: Caller, error_of: Callable[[TestResponse], tuple[int, str, list[str]]]
) -> None:
    for code in ("nothing", "%00", "推", "a b"):
        assert error_of(_open(caller, code)) == (404, "link_not_found", [])
    assert _count_touches(caller) == 0


def _now() -> str:
    from tuike.shared.clock import format_instant, read_clock

    return format_instant(read_clock())
