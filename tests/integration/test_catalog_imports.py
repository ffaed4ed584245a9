"""Imports that a worker runs: told about while they run, one after the other, and through a restart."""

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.catalogue import NOW, Catalogue, open_catalogue
from tests.integration.test_catalog_sheets import HEAD, export, merchant
from tuike import catalog
from tuike.catalog import ImportState
from tuike.catalog.service import imports
from tuike.embedded import PostgresServer


@pytest.fixture
def shop(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Catalogue]:
    with open_catalogue(postgres, f"imports_{zlib.crc32(request.node.name.encode())}") as opened:
        yield opened


def sheet(count: int, *, price: int = 100) -> bytes:
    return (HEAD + "".join(f"P{no},n,S{no},{price},5,on_sale,,,,\n" for no in range(count))).encode()


def ask(shop, merchant_id: str, content: bytes, **named) -> str:
    asked = shop.do(
        catalog.request_import, merchant_id=merchant_id, content=content, made_by="li", now=NOW, **named
    )  # fmt: skip
    return str(asked.id)


def look(shop, import_id: str) -> catalog.Import:
    return shop.do(catalog.get_import, import_id=import_id)


def run(shop) -> bool:
    return catalog.run_next_import(shop.db, now=NOW)


def die(*_, progress, **__):
    progress(1, 2)
    raise KeyboardInterrupt


def test_an_import_is_told_about_while_it_runs_and_ends_with_its_counts(shop, monkeypatch):
    own, seen = merchant(shop), []
    note = imports.store.note_progress

    def note_and_look(tx, **named):
        note(tx, **named)
        seen.append(look(shop, import_id))

    monkeypatch.setattr(imports.store, "note_progress", note_and_look)
    import_id = ask(shop, own, sheet(1200))
    assert look(shop, import_id).state is ImportState.WAITING
    assert run(shop)
    assert {one.state for one in seen} == {ImportState.RUNNING}
    assert [(one.products_done, one.products_total) for one in seen] == [(500, 1200), (1000, 1200), (1200, 1200)]
    ended = look(shop, import_id)
    assert (ended.state, ended.created, ended.changed, ended.skus) == (ImportState.DONE, 1200, 0, 1200)
    assert ended.started_at == NOW
    assert ended.finished_at > NOW
    assert not run(shop)


def test_a_bad_sheet_is_told_line_by_line_and_changes_nothing(shop):
    own = merchant(shop)
    import_id = ask(shop, own, sheet(3) + b"P9,n,S9,x,5,on_sale,,,,\n,n,S10,1,5,on_sale,,,,\n")
    assert run(shop)
    failed = look(shop, import_id)
    assert (failed.state, failed.problem) == (ImportState.FAILED, "sheet_unreadable")
    assert sorted(failed.faults) == ["5.price_minor", "6.product_code"]
    assert len(export(shop, own).splitlines()) == 1


def test_what_is_no_sheet_at_all_is_said(shop):
    import_id = ask(shop, merchant(shop), b"a\x00b")
    assert run(shop)
    assert look(shop, import_id).message == "The sheet has NUL bytes; it is no CSV file."


def test_a_dry_run_looks_and_writes_nothing(shop):
    own = merchant(shop)
    import_id = ask(shop, own, sheet(3), dry_run=True)
    assert run(shop)
    assert look(shop, import_id).created == 3
    assert len(export(shop, own).splitlines()) == 1


def test_an_import_whose_worker_died_is_done_by_the_next_one(shop, monkeypatch):
    import_id = ask(shop, merchant(shop), sheet(700))
    with monkeypatch.context() as patched:
        patched.setattr(imports, "import_catalogue", die)
        with pytest.raises(KeyboardInterrupt):
            run(shop)
    left = look(shop, import_id)
    assert (left.state, left.products_done) == (ImportState.RUNNING, 1)
    assert run(shop)
    ended = look(shop, import_id)
    assert (ended.state, ended.created) == (ImportState.DONE, 700)


def test_an_import_that_kills_its_workers_is_given_up_and_the_next_one_comes(shop, monkeypatch):
    own = merchant(shop)
    first, second = ask(shop, own, sheet(1)), ask(shop, own, sheet(2))
    with monkeypatch.context() as patched:
        patched.setattr(imports, "import_catalogue", die)
        for _ in range(imports.MAX_ATTEMPTS):
            with pytest.raises(KeyboardInterrupt):
                run(shop)
        assert run(shop)
    failed = look(shop, first)
    assert (failed.state, failed.problem) == (ImportState.FAILED, imports.GAVE_UP)
    assert run(shop)
    assert look(shop, second).state is ImportState.DONE


def test_two_imports_at_once_run_one_after_the_other(shop):
    own = merchant(shop)
    first, second = ask(shop, own, sheet(600, price=100)), ask(shop, own, sheet(600, price=200))
    with ThreadPoolExecutor(4) as pool:
        while not all(look(shop, one).state is ImportState.DONE for one in (first, second)):
            list(pool.map(lambda _: run(shop), range(4)))
    heading, *rows = (line.split(",") for line in export(shop, own).splitlines())
    price = heading.index("price_minor")
    assert {row[price] for row in rows} == {"200"}
    assert (look(shop, first).created, look(shop, second).changed) == (600, 600)


def test_an_import_waits_while_the_same_catalogue_is_written_by_a_request(shop):
    own, other = merchant(shop), merchant(shop)
    import_id = ask(shop, own, sheet(1))
    with shop.db.transaction() as tx:
        imports.store.lock_merchant(tx, merchant_id=own)
        assert not run(shop)
        assert look(shop, import_id).state is ImportState.WAITING
    assert run(shop)
    assert look(shop, import_id).state is ImportState.DONE
    assert shop.do(catalog.list_imports, merchant_ids=[other], limit=5).items == []


def test_no_merchant_fills_the_queue(shop):
    own, other = merchant(shop), merchant(shop)
    for _ in range(imports.MAX_WAITING):
        ask(shop, own, sheet(1))
    with pytest.raises(catalog.TooManyImports):
        ask(shop, own, sheet(1))
    ask(shop, other, sheet(1))
    assert run(shop)
    ask(shop, own, sheet(1))


def test_imports_and_merchants_that_are_not_there_are_not_found(shop):
    with pytest.raises(catalog.ImportNotFound):
        look(shop, "imp_x")
    with pytest.raises(catalog.MerchantNotFound):
        ask(shop, "nobody", b"")
