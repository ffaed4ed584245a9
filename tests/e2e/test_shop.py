"""The catalogue over HTTP: staff write it, everybody reads it."""

from __future__ import annotations

import gzip
import io
import itertools
import time
from typing import Any

import jsonschema_rs
import pytest
from PIL import Image

from api.caching import AnswerCache
from tests.e2e.conftest import Caller
from tuike import catalog, reactions
from tuike.shared.clock import read_clock

_TAGS = ("shop", "catalog", "media")
_numbers = itertools.count(1)


def sku(**fields: Any) -> dict[str, Any]:
    return {"price_minor": 1990, "stock": 30} | fields


def product_body(**fields: Any) -> dict[str, Any]:
    return {"name": f"红色连衣裙 {next(_numbers)}", "state": "on_sale", "skus": [sku()]} | fields


def make(caller: Caller, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = caller.post(path, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.get_json())


def make_product(operator: Caller, **fields: Any) -> dict[str, Any]:
    return make(operator, "catalog/products", product_body(**fields))


def read(caller: Caller, path: str) -> Any:
    """Read as somebody without credentials."""
    answer = caller.flask.test_client().get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def to_edit(product: dict[str, Any], **changes: Any) -> dict[str, Any]:
    kept = ("code", "name", "subtitle", "description", "category_id", "brand_id", "tags", "pictures", "video",
            "spec_names", "currency", "rates_bps", "version")  # fmt: skip
    of_sku = ("id", "code", "spec", "price_minor", "list_price_minor", "limit_per_person", "weight_grams", "picture")
    body = {name: product[name] for name in kept}
    return body | {"skus": [{name: one[name] for name in of_sku} for one in product["skus"]]} | changes


def picture(size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def make_one_of_each_for_sale(operator: Caller) -> dict[str, str]:
    """Return a real id for each parameter of the catalogue's paths."""
    category = make(operator, "categories", {"name": "c"})
    brand = make(operator, "brands", {"name": "b"})
    product = make_product(operator, category_id=category["id"], brand_id=brand["id"])
    shelf = make(operator, "shelves", {"title": "s", "product_ids": [product["id"]]})
    return {
        "merchant_id": "main", "category_id": category["id"], "brand_id": brand["id"], "product_id": product["id"],
        "sku_id": product["skus"][0]["id"], "shelf_id": shelf["id"], "staff_id": "stf_x",
        "name": upload(operator, picture()).get_json()["name"],
    }  # fmt: skip


def upload(caller: Caller, content: bytes, *, name: str = "picture.png", field: str = "file", **headers: str) -> Any:
    return post_file(caller, "media", content, name=name, field=field, **headers)


def post_file(caller: Caller, path: str, content: bytes, *, name: str, field: str = "file", **headers: str) -> Any:
    part = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
    body = part + content + b"\r\n--b--\r\n"
    return caller.post(path, data=body, headers=headers, content_type="multipart/form-data; boundary=b")


# Writing and reading


def test_a_product_is_written_by_staff_and_seen_by_everybody(operator: Caller) -> None:
    top = make(operator, "categories", {"name": "服装"})
    category = make(operator, "categories", {"name": "连衣裙", "parent_id": top["id"]})
    brand = make(operator, "brands", {"name": "茵曼"})
    made = make_product(
        operator,
        category_id=category["id"],
        brand_id=brand["id"],
        tags=["新品"],
        description="<p>好<script>x()</script></p>",
        spec_names=["颜色"],
        skus=[sku(spec=["红"], stock=5), sku(spec=["蓝"], stock=0, price_minor=2990)],
    )
    shown = read(operator, f"products/{made['id']}")
    assert shown["category_path"] == [{"id": one["id"], "name": one["name"]} for one in (top, category)]
    assert shown["brand"] == {"id": brand["id"], "name": "茵曼", "logo_url": None}
    assert (shown["price_from_minor"], shown["price_to_minor"]) == (1990, 2990)
    assert shown["description"] == "<p>好</p>"
    assert [one["stock"] for one in shown["skus"]] == [
        {"state": "low", "left": 5}, {"state": "sold_out", "left": 0},
    ]  # fmt: skip
    assert "rates_bps" not in shown
    assert names(read(operator, "search?q=连衣裙")["items"]) == [made["name"]]
    assert names(read(operator, f"products?category_id={top['id']}")["items"]) == [made["name"]]
    assert [one["name"] for one in read(operator, "categories")["items"]] == ["服装", "连衣裙"]
    assert read(operator, "brands")["items"] == [{"id": brand["id"], "name": "茵曼", "logo_url": None}]


def test_what_is_not_on_sale_is_not_there(operator: Caller, error_of: Any) -> None:
    made = make_product(operator, state="draft")
    path = f"products/{made['id']}"
    assert error_of(operator.flask.test_client().get(f"/api/v1/{path}"))[:2] == (404, "product_not_found")
    for state, status in (("on_sale", 200), ("off_sale", 404), ("on_sale", 200), ("deleted", 404)):
        for _ in range(2):
            answer = operator.put(f"catalog/products/{made['id']}/state", {"state": state})
            assert answer.status_code == 200, answer.text
        assert operator.flask.test_client().get(f"/api/v1/{path}").status_code == status
    assert error_of(operator.put(f"catalog/products/{made['id']}/state", {"state": "on_sale"}))[1] == "product_deleted"


def test_an_edit_is_seen_at_once_and_the_second_of_two_editors_is_told(operator: Caller, error_of: Any) -> None:
    made = make_product(operator)
    assert read(operator, f"products/{made['id']}")["name"] == made["name"]
    path = f"catalog/products/{made['id']}"
    edited = operator.put(path, to_edit(made, name="蓝色衬衫"))
    assert edited.status_code == 200, edited.text
    assert read(operator, f"products/{made['id']}")["name"] == "蓝色衬衫"
    assert error_of(operator.put(path, to_edit(made, name="绿色衬衫"))) == (409, "edit_conflict", ["version"])


def test_an_answer_that_the_caller_has_is_not_sent_again(operator: Caller) -> None:
    made = make_product(operator)
    client = operator.flask.test_client()
    for path in (f"products/{made['id']}", "home", "search?q=裙", "categories"):
        first = client.get(f"/api/v1/{path}")
        etag = first.headers["ETag"]
        again = client.get(f"/api/v1/{path}", headers={"If-None-Match": etag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
        assert "max-age" in again.headers["Cache-Control"]
    operator.put(f"catalog/products/{made['id']}", to_edit(made, name="changed"))
    fresh = client.get(f"/api/v1/products/{made['id']}", headers={"If-None-Match": etag})
    assert (fresh.status_code, fresh.get_json()["name"]) == (200, "changed")


def test_what_is_kept_is_handed_out_as_it_was_made_packed_or_not_and_named_in_the_log(operator: Caller) -> None:
    made = make_product(operator, description="厚实的棉布。" * 200)
    client, path = operator.flask.test_client(), f"/api/v1/products/{made['id']}"
    first = client.get(path)
    kept = client.get(path, headers={"X-Request-Id": "mine"})
    own = {"X-Request-Id"}
    assert {k: v for k, v in first.headers if k not in own} == {k: v for k, v in kept.headers if k not in own}
    assert (kept.data, kept.headers["X-Request-Id"]) == (first.data, "mine")
    packed = client.get(path, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == first.data
    assert packed.headers["ETag"] != first.headers["ETag"], "two representations"
    for etag in (packed.headers["ETag"], first.headers["ETag"]):
        again = client.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": etag})
        assert (again.status_code, again.data) == (304, b"")
        assert "Content-Encoding" not in again.headers
    assert client.head(path).data == b""
    assert client.post(path).status_code == 405
    counted = operator.get("/metrics").text
    assert (
        'tuike_http_requests_total{method="GET",route="/api/v1/products/<id:product_id>",status="304"} 2.0' in counted
    )


def test_one_makes_an_answer_anew_while_the_others_still_get_the_old_one(operator: Caller) -> None:
    answers = AnswerCache(operator.app.db)
    assert answers.find("a page") is None
    answers.keep("a page", b"old", tags=(), seconds=0, round_=answers.round)
    assert answers.find("a page") is None, "the first makes it anew"
    waiting = answers.find("a page")
    assert waiting is not None
    assert waiting.plain[0] == b"old"
    answers.keep("a page", b"new", tags=(), seconds=60, round_=answers.round)
    fresh = answers.find("a page")
    assert fresh is not None
    assert fresh.plain[0] == b"new"


def test_an_answer_that_nobody_makes_anew_is_gone_within_a_second(operator: Caller) -> None:
    answers = AnswerCache(operator.app.db)
    answers.find("a page")
    answers.keep("a page", b"old", tags=(), seconds=0, round_=answers.round)
    asked = [answers.find("a page") for _ in range(3)]
    assert [one is None for one in asked] == [True, False, False]
    time.sleep(1.05)
    assert answers.find("a page") is None


def test_another_process_sees_a_change_after_its_next_look(operator: Caller) -> None:
    made = make_product(operator)
    other = AnswerCache(operator.app.db)
    key, tags = "a page", [f"product:{made['id']}", "tree"]
    assert other.find(key) is None
    other.keep(key, b"{}", tags=tags, seconds=300, round_=other.round)
    other.look_soon()
    assert other.find(key) is not None
    with operator.app.db.transaction() as tx:
        catalog.set_product_state(
            tx,
            product_id=made["id"],
            state=catalog.ProductState.OFF_SALE,
            now=catalog.get_product(tx, product_id=made["id"]).created_at,
        )
        other.look_soon()
        assert other.find(key) is not None  # not committed yet
    other.look_soon()
    assert other.find(key) is None
    round_ = other.round
    make_product(operator)
    other.look_soon()
    other.find(key)
    other.keep(key, b"old", tags=tags, seconds=300, round_=round_)
    assert other.find(key) is None, "what was read before a change is not kept after it"


def test_the_home_page_shows_its_shelves_in_order_and_in_time(operator: Caller) -> None:
    one, two, away = make_product(operator), make_product(operator), make_product(operator, state="draft")
    ids = [two["id"], away["id"], one["id"]]
    make(operator, "shelves", {"title": "second", "position": 2, "product_ids": ids})
    make(operator, "shelves", {"title": "first", "position": 1, "product_ids": [one["id"]]})
    make(operator, "shelves", {"title": "empty", "position": 3, "product_ids": []})
    for start, end in (("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"), ("2099-01-01T00:00:00Z", None)):
        make(
            operator,
            "shelves",
            {"title": "hidden", "position": 9, "product_ids": ids, "shown": {"start": start, "end": end}},
        )
    shelves = read(operator, "home")["shelves"]
    assert [(shelf["title"], names(shelf["products"])) for shelf in shelves] == [
        ("first", [one["name"]]), ("second", [two["name"], one["name"]]), ("empty", []),
    ]  # fmt: skip
    kept = operator.read("shelves")["items"]
    for shelf in kept[1:]:
        assert operator.send("DELETE", f"shelves/{shelf['id']}").status_code == 200
    assert len(read(operator, "home")["shelves"]) == 1


def test_lists_are_narrowed_sorted_and_paged(operator: Caller) -> None:
    brand = make(operator, "brands", {"name": "B"})["id"]
    made = [
        make_product(
            operator,
            name=f"衬衫 {price}",
            tags=["t"] if price % 2 else [],
            brand_id=brand if price > 3 else None,
            skus=[sku(price_minor=price, stock=price % 3)],
        )
        for price in (5, 1, 4, 2, 3, 6)
    ]
    for sort, expected in (
        ("price", [1, 2, 3, 4, 5, 6]), ("-price", [6, 5, 4, 3, 2, 1]), ("newest", [6, 3, 2, 4, 1, 5]),
    ):  # fmt: skip
        for query in ("products?", "search?q=衬衫&"):
            seen, cursor = [], ""
            while True:
                page = read(operator, f"{query}sort={sort}&limit=4{cursor}")
                seen += [item["price_from_minor"] for item in page["items"]]
                if page["next_cursor"] is None:
                    break
                cursor = f"&cursor={page['next_cursor']}"
            assert seen == expected, (sort, query)
    for sort in ("sales", "relevance"):
        seen, cursor = [], ""
        while cursor is not None:
            page = read(operator, f"search?q=衬衫&sort={sort}&limit=4{cursor and '&cursor=' + cursor}")
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert sorted(seen) == sorted(one["id"] for one in made)
    for query, expected in (
        ("price_from_minor=2&price_to_minor=4", {2, 3, 4}), ("tag=t", {1, 3, 5}), (f"brand_id={brand}", {4, 5, 6}),
        (f"brand_id={brand},brd_no&tag=t", {5}), ("in_stock=true", {1, 2, 4, 5}), ("merchant_id=main&tag=t,u", set()),
        ("category_id=cat_no", set()),
    ):  # fmt: skip
        assert {one["price_from_minor"] for one in read(operator, f"products?{query}")["items"]} == expected, query
    facets = read(operator, "search?q=衬衫&facets=true&limit=1")["facets"]
    assert facets == {
        "counted": 6, "is_partial": False, "categories": {}, "brands": {brand: 3}, "tags": {"t": 3},
    }  # fmt: skip
    assert read(operator, "search?q=nothing&facets=true")["facets"]["counted"] == 0


def test_what_a_query_cannot_mean_is_refused_by_name(operator: Caller, error_of: Any) -> None:
    client = operator.flask.test_client()
    cursor = read(operator, "products?sort=price&limit=1")["next_cursor"] or "e30"
    make_product(operator)
    make_product(operator)
    cursor = read(operator, "products?sort=price&limit=1&in_stock=true")["next_cursor"]
    for query, field in (
        ("search", "q"), ("search?q=", "q"), (f"search?q={'x' * 101}", "q"), ("search?q=a%00", "q"),
        ("products?sort=best", "sort"), ("products?price_from_minor=-1", "price_from_minor"),
        ("products?price_to_minor=1e3", "price_to_minor"), ("products?limit=201", "limit"),
        ("products?in_stock=yes", "in_stock"), (f"products?sort=sales&cursor={cursor}", "cursor"),
        ("products?cursor=WzEsMl0", "cursor"), ("products?nothing=1", "nothing"), ("suggest", "q"),
    ):  # fmt: skip
        assert error_of(client.get(f"/api/v1/{query}")) == (422, "validation_failed", [field]), query


@pytest.mark.parametrize(
    "q", ["'", "\\", "a:*|b", "!(x)", "<->", "&", "':1A", "%", "🙂", "a" * 100, "衣" * 100, "\u202e"]
)
def test_no_query_is_a_defect(operator: Caller, q: str) -> None:
    make_product(operator)
    answer = operator.flask.test_client().get("/api/v1/search", query_string={"q": q, "facets": "true"})
    assert answer.status_code == 200, answer.text
    assert operator.flask.test_client().get("/api/v1/suggest", query_string={"q": q}).status_code == 200


def test_words_are_found_in_chinese_and_english(operator: Caller) -> None:
    dress = make_product(operator, name="真丝红色连衣裙", description="<p>适合 <b>party</b></p>")
    shoes = make_product(operator, name="Nike Air Running Shoes 跑步鞋", tags=["运动"])
    other = make_product(operator, name="红茶 Earl Grey 500ml")
    make_product(operator, name="绿茶")
    for query, expected in (
        ("连衣裙", [dress]), ("红色", [dress]), ("色连", [dress]), ("红裙", [dress]), ("丝红", [dress]),
        ("running shoe", [shoes]), ("run", [shoes]), ("SHOES nike", [shoes]), ("ni", [shoes]), ("运动", [shoes]),
        ("ＮＩＫＥ", [shoes]), ("跑鞋", [shoes]), ("500ML", [other]), ("party", [dress]), ("grey 红茶", [other]),
        ("紫色", []), ("nike 红茶", []),
    ):  # fmt: skip
        found = read(operator, f"search?q={query}")["items"]
        assert names(found) == [one["name"] for one in expected], query
    # Both have 红: the one that has it in its name comes before the one that tells of it.
    telling = make_product(operator, name="披肩", description="<p>红茶色</p>")
    assert names(read(operator, "search?q=红茶")["items"]) == [other["name"], telling["name"]]


def test_suggestions_complete_what_is_typed(operator: Caller) -> None:
    for name in ("红色连衣裙", "红茶", "红茶 大包", "Nike shoes"):
        make_product(operator, name=name)
    make_product(operator, name="红木", state="draft")
    with operator.app.db.transaction() as tx:
        catalog.refresh_suggestions(tx)
    assert read(operator, "suggest?q=红")["items"] == ["红茶", "红色"]
    assert read(operator, "suggest?q=连衣")["items"] == ["连衣裙"]
    assert read(operator, "suggest?q=NIK")["items"] == ["nike"]
    assert read(operator, "suggest?q=nikes")["items"] == []


def test_answers_are_as_described(operator: Caller) -> None:
    document = operator.flask.test_client().get("/api/openapi.json").get_json()
    checked: set[str] = set()

    def check(method: str, template: str, body: Any = None, *, path: str = "", **ids: str) -> Any:
        where = (path or template).format(**ids)
        answer = operator.send(method, where, json=body)
        assert answer.status_code < 300, answer.text
        described = document["paths"][f"/api/v1/{template}"][method.lower()]["responses"][str(answer.status_code)]
        schema = described["content"]["application/json"]["schema"] | {"components": document["components"]}
        jsonschema_rs.validator_for(schema, validate_formats=True).validate(answer.get_json())
        checked.add(f"{method} {template}")
        return answer.get_json()

    category = check("POST", "categories", {"name": "c"})
    brand = check("POST", "brands", {"name": "b"})
    ids = {"category_id": category["id"], "brand_id": brand["id"]}
    check("PUT", "categories/{category_id}", {"name": "d", "version": 1, "rates_bps": [100]}, **ids)
    check("PUT", "brands/{brand_id}", {"name": "e", "version": 1}, **ids)
    for path in ("categories/{category_id}", "brands/{brand_id}"):
        check("GET", path, **ids)
    file = upload(operator, picture()).get_json()["name"]
    product = check("POST", "catalog/products", product_body(**ids, pictures=[file], tags=["t"]))
    ids |= {"product_id": product["id"], "sku_id": product["skus"][0]["id"], "name": file}
    check("PUT", "catalog/products/{product_id}", to_edit(product), **ids)
    check("PUT", "catalog/products/{product_id}/state", {"state": "on_sale"}, **ids)
    check("POST", "skus/{sku_id}/stock", {"change": 1, "reason": "r"}, **ids)
    shelf = check("POST", "shelves", {"title": "s", "product_ids": [product["id"]]})
    ids |= {"shelf_id": shelf["id"], "staff_id": "stf_1", "merchant_id": "shop"}
    check("PUT", "shelves/{shelf_id}", {"title": "s", "product_ids": [product["id"]], "version": 1}, **ids)
    check("POST", "merchants", {"id": "shop", "name": "n"})
    check("PUT", "merchants/{merchant_id}", {"name": "n", "status": "active", "version": 1}, **ids)
    check("PUT", "staff/{staff_id}/merchants", {"merchant_ids": ["shop"]}, **ids)
    for path in ("home", "products", "products/{product_id}", "categories", "brands", "merchants", "shelves",
                 "catalog/products", "catalog/products/{product_id}", "skus/{sku_id}/stock", "media/{name}"):  # fmt: skip
        check("GET", path, **ids)
    check("GET", "products", path="products?facets=true&tag=t")
    check("GET", "search", path="search?q=红&facets=true")
    check("GET", "suggest", path="suggest?q=红")
    check("DELETE", "shelves/{shelf_id}", **ids)
    operator.put(f"catalog/products/{product['id']}/state", {"state": "deleted"})
    check("DELETE", "categories/{category_id}", **ids)
    check("DELETE", "brands/{brand_id}", **ids)
    described = {
        f"{method.upper()} {path.removeprefix('/api/v1/')}"
        for path, item in document["paths"].items()
        for method in item
        if path.startswith("/api/v1/") and method != "parameters" and item[method]["tags"][0] in _TAGS
    }
    assert described - checked == {
        "POST media",
        "POST me/media",
        "POST catalog/import",
        "POST catalog/imports",
        "GET catalog/imports",
        "GET catalog/imports/{import_id}",
        "GET catalog/export",
    }


def test_a_sheet_is_imported_whole_or_not_at_all(operator: Caller, error_of: Any) -> None:
    good = "product_code,name,sku_code,price_minor,stock,state\nP1,衬衫,S1,100,5,on_sale\n"
    for dry, count in (("true", 0), ("false", 1)):
        answer = post_file(operator, f"catalog/import?dry_run={dry}", good.encode(), name="c.csv")
        assert answer.status_code == 201, answer.text
        assert answer.get_json() == {"created": 1, "changed": 0, "skus": 1, "is_dry_run": dry == "true"}
        assert len(operator.read("catalog/products")["items"]) == count
    bad = good + "P2,衬衫,S2,0,5,on_sale\n"
    answer = post_file(operator, "catalog/import", bad.encode(), name="c.csv")
    assert error_of(answer) == (422, "sheet_unreadable", ["3.price_minor"])
    assert len(operator.read("catalog/products")["items"]) == 1


def test_a_sheet_may_be_left_to_a_worker_and_asked_about(operator: Caller, error_of: Any) -> None:
    good = b"product_code,name,sku_code,price_minor,stock,state\nP1,n,S1,100,5,on_sale\n"
    key = {"Idempotency-Key": "once"}
    taken = post_file(operator, "catalog/imports", good, name="c.csv", **key)
    assert taken.status_code == 202, taken.text
    assert post_file(operator, "catalog/imports", good, name="c.csv", **key).get_json() == taken.get_json()
    bad = post_file(operator, "catalog/imports", good + b"P2,n,S2,0,5,on_sale\n", name="c.csv").get_json()
    assert taken.get_json()["state"] == "waiting"
    assert operator.read("catalog/products")["items"] == []
    while catalog.run_next_import(operator.app.db, now=read_clock()):
        pass
    done = operator.read(f"catalog/imports/{taken.get_json()['id']}")
    assert (done["state"], done["created"], done["products_done"], done["faults"]) == ("done", 1, 1, [])
    failed = operator.read(f"catalog/imports/{bad['id']}")
    assert (failed["state"], failed["problem"]) == ("failed", "sheet_unreadable")
    assert [(one["line"], one["column"]) for one in failed["faults"]] == [(3, "price_minor")]
    assert [one["id"] for one in operator.read("catalog/imports")["items"]] == [failed["id"], done["id"]]
    assert len(operator.read("catalog/products")["items"]) == 1
    assert error_of(operator.get("catalog/imports/imp_x"))[:2] == (404, "import_not_found")
    assert error_of(post_file(operator, "catalog/imports?merchant_id=x", good, name="c.csv"))[0] == 404


def test_a_catalogue_is_exported_and_imported_again_without_a_change(operator: Caller, error_of: Any) -> None:
    category = make(operator, "categories", {"name": "女装"})
    made = make_product(
        operator, name="=1+1 红色连衣裙", category_id=category["id"], tags=["新品"], spec_names=["尺码"],
        skus=[sku(spec=["S"]), sku(spec=["M|L"], price_minor=2990)],
    )  # fmt: skip
    sheet = operator.get("catalog/export")
    assert sheet.content_type == "text/csv; charset=utf-8"
    assert sheet.headers["Content-Disposition"].startswith("attachment")
    text = sheet.get_data(as_text=True)
    assert len(text.splitlines()) == 3
    assert "'=1+1" in text
    answer = post_file(operator, "catalog/import", sheet.get_data(), name="c.csv")
    assert answer.get_json() == {"created": 0, "changed": 1, "skus": 2, "is_dry_run": False}
    after = operator.read(f"catalog/products/{made['id']}")
    assert {**after, "version": 0, "updated_at": ""} == {**made, "version": 0, "updated_at": ""}
    assert operator.get("catalog/export").get_data(as_text=True) == text
    assert error_of(operator.get("catalog/export?merchant_id=nobody")) == (404, "merchant_not_found", [])


# Stock and merchants


def test_stock_is_corrected_and_seen(operator: Caller, error_of: Any) -> None:
    made = make_product(operator, skus=[sku(stock=0)])
    (only,) = made["skus"]
    assert read(operator, f"products/{made['id']}")["in_stock"] is False
    body = {"change": 3, "reason": "delivery"}
    first = operator.post(f"skus/{only['id']}/stock", body, headers={"Idempotency-Key": "k"})
    again = operator.post(f"skus/{only['id']}/stock", body, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.get_json(), again.headers["Idempotency-Hit"]) == (201, first.get_json(), "true")
    assert read(operator, f"products/{made['id']}")["skus"][0]["stock"] == {"state": "low", "left": 3}
    assert operator.read(f"skus/{only['id']}/stock")["items"][0]["reason"] == "delivery"
    too_much = operator.post(f"skus/{only['id']}/stock", {"change": -4, "reason": "r"})
    assert error_of(too_much) == (409, "out_of_stock", ["change"])
    for topic in (catalog.STOCK_CHANGED,):
        reactions.drain(operator.app.db, operator.app.graph, topic=topic)
    assert operator.read(f"catalog/products/{made['id']}")["in_stock"] is True


def test_nothing_of_a_closed_merchant_is_shown(operator: Caller) -> None:
    merchant = make(operator, "merchants", {"id": "tea", "name": "茶馆"})
    made = make_product(operator, merchant_id="tea", name="闭店")
    make(operator, "shelves", {"title": "s", "product_ids": [made["id"]]})
    assert names(read(operator, "search?q=闭店")["items"]) == ["闭店"]
    assert read(operator, "home")["shelves"][0]["products"]
    assert (
        operator.put("merchants/tea", {"name": "茶馆", "status": "closed", "version": merchant["version"]}).status_code
        == 200
    )
    assert read(operator, "search?q=闭店")["items"] == []
    assert read(operator, "home")["shelves"][0]["products"] == []
    assert operator.flask.test_client().get(f"/api/v1/products/{made['id']}").status_code == 404


def test_bad_products_are_refused_by_field(operator: Caller, error_of: Any) -> None:
    for change, code, field in (
        ({"skus": [sku(price_minor=0)]}, "amount_not_positive", "skus.0.price_minor"),
        ({"skus": [sku(price_minor=2**63)]}, "validation_failed", "skus.0.price_minor"),
        ({"skus": [sku(price_minor=1.5)]}, "validation_failed", "skus.0.price_minor"),
        ({"skus": []}, "validation_failed", "skus"),
        ({"name": "x" * 201}, "validation_failed", "name"),
        ({"name": "a\u0000b"}, "validation_failed", "name"),
        ({"description": "a\u0000b"}, "validation_failed", "description"),
        ({"description": 7}, "validation_failed", "description"),
        ({"category_id": "cat_no"}, "validation_failed", "category_id"),
        ({"pictures": ["../../etc/passwd"]}, "validation_failed", "pictures.0"),
        ({"spec_names": ["a"], "skus": [sku(spec=["x"]), sku(spec=["x"])]}, "spec_taken", "skus.1.spec"),
        ({"spec_names": ["a"], "skus": [sku()]}, "validation_failed", "skus.0.spec"),
        ({"rates_bps": [1, 1, 1, 1]}, "too_many_levels", "rates_bps"),
        ({"merchant_id": "nobody"}, "validation_failed", "merchant_id"),
        ({"currency": "ZZZ"}, "validation_failed", "currency"),
    ):  # fmt: skip
        assert error_of(operator.post("catalog/products", product_body(**change))) == (422, code, [field]), change
    assert operator.post("catalog/products", product_body(description="x" * 300_000)).status_code == 413


# Media


def test_a_picture_is_written_anew_and_may_be_cached_for_ever(operator: Caller) -> None:
    answer = upload(operator, picture((3000, 1000)))
    assert answer.status_code == 201, answer.text
    media = answer.get_json()
    assert (media["kind"], media["width"], media["height"]) == ("picture", 2048, 683)
    made = make_product(operator, pictures=[media["name"]])
    shown = read(operator, f"products/{made['id']}")
    assert shown["pictures"][0]["url"] == media["url"]
    client = operator.flask.test_client()
    for url, width in ((media["url"], 2048), (media["thumbnail_url"], 400)):
        file = client.get(url.removeprefix(operator.app.config.public_url))
        assert (file.status_code, file.content_type) == (200, "image/webp")
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert "immutable" in file.headers["Cache-Control"]
        assert Image.open(io.BytesIO(file.data)).width == width
    path = media["url"].removeprefix(operator.app.config.public_url)
    assert client.get(path, headers={"If-None-Match": file.headers["ETag"]}).status_code == 200  # the thumbnail's
    whole = client.get(path)
    assert client.get(path, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert upload(operator, picture((3000, 1000))).get_json()["kind"] == "picture"


def test_uploads_are_taken_once_under_one_key(operator: Caller, error_of: Any) -> None:
    content = picture()
    first = upload(operator, content, **{"Idempotency-Key": "u"})
    again = upload(operator, content, **{"Idempotency-Key": "u"})
    assert again.headers["Idempotency-Hit"] == "true"
    assert first.get_json() == again.get_json()
    other = upload(operator, picture((50, 50)), **{"Idempotency-Key": "u"})
    assert error_of(other)[:2] == (409, "idempotency_key_reused")


def test_bad_uploads_are_refused(operator: Caller, error_of: Any) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
    for content in (
        b"",
        b"x",
        svg,
        b"<html>",
        b"GIF89a<script>",
        picture()[:200],
        b"%PDF-1.7",
        b"PK\x03\x04" + b"0" * 99,
    ):
        assert error_of(upload(operator, content))[:2] == (422, "media_unreadable"), content[:20]
    assert error_of(upload(operator, picture(), field="picture")) == (422, "validation_failed", ["file"])
    assert error_of(upload(operator.as_scope("integration"), picture()))[0] == 403
    assert error_of(operator.post("media", {"file": "x"}))[:2] == (415, "unsupported_media_type")
    too_large = upload(operator, b"\x89PNG" + b"0" * (10 * 1024 * 1024))
    assert error_of(too_large)[:2] == (413, "media_too_large")
    far_too_large = upload(operator, b"0" * (51 * 1024 * 1024))
    assert error_of(far_too_large)[:2] == (413, "upload_too_large")


def test_files_are_only_found_by_names_of_ours(operator: Caller) -> None:
    client = operator.flask.test_client()
    for name in (
        "..%2f..%2fetc%2fpasswd",
        "../secrets.json",
        "x.webp",
        "%00",
        "a" * 64,
        f"{'0' * 64}.webp",
        f"{'0' * 64}.mp4",
    ):
        assert client.get(f"/media/{name}").status_code == 404, name


def make_video(size: int = 1000) -> bytes:
    def box(kind: bytes, content: bytes) -> bytes:
        return (8 + len(content)).to_bytes(4, "big") + kind + content

    return (
        box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
        + box(b"moov", b"m" * 100)
        + box(b"mdat", bytes(i % 251 for i in range(size)))
    )


def test_a_video_is_served_in_ranges(operator: Caller) -> None:
    content = make_video()
    media = upload(operator, content, name="v.mp4").get_json()
    assert (media["kind"], media["content_type"], media["thumbnail_url"]) == ("video", "video/mp4", None)
    path = media["url"].removeprefix(operator.app.config.public_url)
    client = operator.flask.test_client()
    size = len(content)
    for asked, start, end in (
        ("0-9", 0, 9),
        ("500-", 500, size - 1),
        ("-7", size - 7, size - 1),
        ("3-99999999", 3, size - 1),
    ):
        part = client.get(path, headers={"Range": f"bytes={asked}"})
        assert part.status_code == 206, asked
        assert part.headers["Content-Range"] == f"bytes {start}-{end}/{size}"
        assert part.data == content[start : end + 1]
    assert client.get(path).data == content
    head = client.head(path)
    assert (head.status_code, head.headers["Content-Length"], head.data) == (200, str(size), b"")
    for asked in (f"{size}-", "9-3", "-0"):
        assert client.get(path, headers={"Range": f"bytes={asked}"}).status_code == 416, asked
    for asked in ("bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=a-b"):
        assert client.get(path, headers={"Range": asked}).status_code == 200, asked
    for bad in (
        content + b"<html>",
        content[:-1],
        content.replace(b"moov", b"evil"),
        content.replace(b"ftypisom", b"ftypqt  "),
    ):
        assert upload(operator, bad, name="v.mp4").status_code == 422
