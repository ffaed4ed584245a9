"""The ledger's guards: what the database refuses, and what the proof finds when somebody goes around it."""

from collections.abc import Iterator
from hashlib import sha256

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.property.money_shop import MoneyShop, make_plan, open_money_database
from tuike import wallet
from tuike.embedded import PostgresServer

TABLES = ("ledger_accounts", "ledger_transactions", "ledger_postings", "ledger_seals", "ledger_seal_marks")


@pytest.fixture(scope="module")
def prepared_shop(postgres: PostgresServer) -> Iterator[MoneyShop]:
    """A shop with some of everything in its ledger, half of it sealed, and a copy of all that."""
    with open_money_database(postgres, "money_ledger") as database:
        yield _prepare(MoneyShop(database))


def _prepare(shop: MoneyShop) -> MoneyShop:
    people = shop.make_promoters(3)
    first, second = (shop.place(people, lines=[4_000], plan=make_plan(holding_days=0)) for _ in range(2))
    shop.pay(first)
    shop.receive(first)
    shop.drain()
    shop.release()
    shop.decide(shop.withdraw(people[0], 300), "approve", "paid")
    shop.seal(3)
    shop.pay(second)
    shop.refund(first, 2_000)
    shop.drain()
    assert shop.check().ok
    shop.run_sql(*(f"CREATE TABLE saved_{table} AS TABLE {table}" for table in TABLES))
    shop.people = people
    return shop


@pytest.fixture
def shop(prepared_shop: MoneyShop) -> Iterator[MoneyShop]:
    """The prepared shop, put back afterwards."""
    yield prepared_shop
    prepared_shop.run_sql(
        "SET LOCAL session_replication_role = replica",
        f"TRUNCATE {', '.join(TABLES)}",
        *(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE saved_{table}" for table in TABLES),
    )


def tamper(shop: MoneyShop, table: str, *statements: str) -> list[str]:
    """Do what only a superuser can, and return what the proof says about it."""
    shop.run_sql(
        f"ALTER TABLE {table} DISABLE TRIGGER append_only",
        *statements,
        f"ALTER TABLE {table} ENABLE TRIGGER append_only",
    )
    check = shop.check()
    assert check.ok == (not check.breaks)
    return check.breaks


# Append-only


@pytest.mark.parametrize("table", ["ledger_transactions", "ledger_postings", "ledger_seals"])
@pytest.mark.parametrize(
    "statement", ["DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE", "DELETE FROM {} WHERE false"]
)
def test_nothing_in_the_ledger_can_be_deleted(shop, table, statement):
    with pytest.raises(DBAPIError, match="append-only"):
        shop.run_sql(statement.format(table))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_transactions SET reason = reason",
        "UPDATE ledger_postings SET amount_minor = amount_minor + 1",
        "UPDATE ledger_seals SET hash = hash",
        "INSERT INTO ledger_seals SELECT * FROM ledger_seals ON CONFLICT (no) DO UPDATE SET hash = excluded.hash",
    ],
)
def test_nothing_in_the_ledger_can_be_changed(shop, statement):
    with pytest.raises(DBAPIError, match="append-only"):
        shop.run_sql(statement)


def test_a_promoters_balance_can_never_be_written_below_nothing(shop):
    for kind in ("pending", "frozen", "available", "withdrawing"):
        address = wallet.promoter_address(shop.people[0], kind)
        posting = wallet.Posting(address, wallet.WORLD, 10**9, "CNY")
        with pytest.raises(IntegrityError, match="ledger_accounts_sign"), shop.db.transaction() as tx:
            wallet.post(tx, transactions=[wallet.LedgerTransaction("k", "r", "s", [posting])], now=shop.now)


def test_a_debt_can_never_become_a_credit(shop):
    debt = wallet.promoter_address(shop.people[1], "debt")
    posting = wallet.Posting(wallet.WORLD, debt, 1, "CNY")
    with pytest.raises(IntegrityError, match="ledger_accounts_sign"), shop.db.transaction() as tx:
        wallet.post(tx, transactions=[wallet.LedgerTransaction("k", "r", "s", [posting])], now=shop.now)


def test_a_key_can_be_posted_once(shop):
    one = wallet.LedgerTransaction("k", "r", "s", [wallet.Posting(wallet.WORLD, wallet.FEES, 1, "CNY")])
    with shop.db.transaction() as tx:
        wallet.post(tx, transactions=[one], now=shop.now)
    with pytest.raises(IntegrityError, match="ledger_transactions_key_key"), shop.db.transaction() as tx:
        wallet.post(tx, transactions=[one], now=shop.now)
    assert shop.check().ok


@pytest.mark.parametrize("amount", [0, -1])
def test_a_posting_moves_more_than_nothing(shop, amount):
    posting = wallet.Posting(wallet.WORLD, wallet.FEES, amount, "CNY")
    with pytest.raises(IntegrityError), shop.db.transaction() as tx:
        wallet.post(tx, transactions=[wallet.LedgerTransaction("k", "r", "s", [posting])], now=shop.now)


def test_a_posting_from_an_account_to_itself_is_refused(shop):
    posting = wallet.Posting(wallet.WORLD, wallet.WORLD, 1, "CNY")
    with pytest.raises(IntegrityError), shop.db.transaction() as tx:
        wallet.post(tx, transactions=[wallet.LedgerTransaction("k", "r", "s", [posting])], now=shop.now)


def test_a_transaction_without_postings_is_not_booked(shop):
    before = shop.check()
    with shop.db.transaction() as tx:
        wallet.post(tx, transactions=[wallet.LedgerTransaction("k", "r", "s", [])], now=shop.now)
        wallet.post(tx, transactions=[], now=shop.now)
    assert shop.check() == before


def test_one_transaction_may_go_through_one_account_in_both_directions(shop):
    there = wallet.Posting(wallet.WORLD, wallet.FEES, 5, "EUR")
    back = wallet.Posting(wallet.FEES, wallet.WORLD, 5, "EUR")
    with shop.db.transaction() as tx:
        wallet.post(tx, transactions=[wallet.LedgerTransaction("k", "r", "s", [there, back])], now=shop.now)
    check = shop.check()
    assert check.ok, check.breaks
    assert check.sums["EUR"] == 0


# Tampering


def test_a_changed_amount_is_found(shop):
    breaks = tamper(
        shop, "ledger_postings", "UPDATE ledger_postings SET amount_minor = amount_minor + 1 WHERE transaction_id = 1"
    )
    assert any("Transaction 1 (accrual:" in one and "was altered" in one for one in breaks)
    assert any("its postings make" in one for one in breaks)


def test_a_changed_amount_with_a_fitting_balance_is_found(shop):
    breaks = tamper(
        shop,
        "ledger_postings",
        """
        UPDATE ledger_accounts a SET balance_minor = balance_minor + d.delta
        FROM (SELECT from_account_id AS id, -1 AS delta FROM ledger_postings WHERE transaction_id = 1 AND no = 1
              UNION ALL SELECT to_account_id, 1 FROM ledger_postings WHERE transaction_id = 1 AND no = 1) d
        WHERE d.id = a.id
        """,
        "UPDATE ledger_postings SET amount_minor = amount_minor + 1 WHERE transaction_id = 1 AND no = 1",
    )
    assert [one.split(" (")[0] for one in breaks] == ["Transaction 1"]


def test_a_changed_balance_is_found_and_named(shop):
    address = wallet.promoter_address(shop.people[0], "available")
    shop.run_sql(f"UPDATE ledger_accounts SET balance_minor = balance_minor + 7 WHERE address = '{address}'")
    breaks = shop.check().breaks
    assert any(one.startswith(f"{address} in CNY has balance") for one in breaks)
    assert "The balances in CNY sum to 7, not 0." in breaks


def test_two_changed_balances_that_cancel_out_are_found(shop):
    addresses = [wallet.promoter_address(one, "pending") for one in shop.people[:2]]
    shop.run_sql(
        f"UPDATE ledger_accounts SET balance_minor = balance_minor + 1 WHERE address = '{addresses[0]}'",
        f"UPDATE ledger_accounts SET balance_minor = balance_minor - 1 WHERE address = '{addresses[1]}'",
    )
    check = shop.check()
    assert check.sums == {"CNY": 0}
    assert len(check.breaks) == 2


@pytest.mark.parametrize(
    "change",
    [
        "reason = 'other'", "subject = 'other'", "key = 'other'", "posted_at = posted_at - interval '1 microsecond'",
        "content_hash = sha256('x')",
    ],
)  # fmt: skip
@pytest.mark.parametrize("number", ["1", "(SELECT max(id) FROM ledger_transactions)"])
def test_a_changed_voucher_is_found_whether_sealed_or_not(shop, change, number):
    breaks = tamper(shop, "ledger_transactions", f"UPDATE ledger_transactions SET {change} WHERE id = {number}")
    assert any("was altered" in one for one in breaks)


def test_a_voucher_that_no_longer_says_what_it_reverses_is_found(shop):
    breaks = tamper(
        shop, "ledger_transactions", "UPDATE ledger_transactions SET reverses = NULL WHERE reverses IS NOT NULL"
    )
    assert any("was altered" in one for one in breaks)


def test_a_sealed_voucher_rewritten_with_a_fitting_hash_is_found_by_its_seal(shop):
    breaks = tamper(
        shop,
        "ledger_transactions",
        "UPDATE ledger_transactions SET content_hash = sha256('x') WHERE id = 1",
    )
    assert "Seal 1 does not match its transactions." in breaks


def test_a_sealed_voucher_deleted_without_a_trace_in_the_balances_is_found(shop):
    shop.run_sql("ALTER TABLE ledger_postings DISABLE TRIGGER append_only")
    breaks = tamper(
        shop,
        "ledger_transactions",
        """
        WITH gone AS (
            DELETE FROM ledger_postings p USING ledger_transactions x
            WHERE x.id = p.transaction_id AND x.reason = 'withdrawal.paid' RETURNING p.*)
        UPDATE ledger_accounts a SET balance_minor = balance_minor - d.delta
        FROM (SELECT account_id, sum(delta) AS delta
              FROM (SELECT from_account_id AS account_id, -amount_minor AS delta FROM gone
                    UNION ALL SELECT to_account_id, amount_minor FROM gone) m GROUP BY 1) d
        WHERE d.account_id = a.id
        """,
        "DELETE FROM ledger_transactions WHERE reason = 'withdrawal.paid'",
    )
    assert breaks == ["Seal 1 does not match its transactions."]


def test_a_voucher_deleted_under_its_postings_is_found(shop):
    breaks = tamper(
        shop,
        "ledger_transactions",
        "DELETE FROM ledger_transactions WHERE id = (SELECT max(id) FROM ledger_transactions)",
    )
    assert any("is missing but has postings" in one for one in breaks)


def test_deleted_postings_are_found(shop):
    breaks = tamper(shop, "ledger_postings", "DELETE FROM ledger_postings WHERE transaction_id = 2")
    assert any(one.startswith("Transaction 2 (") for one in breaks)


def test_postings_added_to_a_sealed_voucher_are_found(shop):
    breaks = tamper(
        shop,
        "ledger_postings",
        "INSERT INTO ledger_postings"
        " SELECT 1, 99, from_account_id, to_account_id, 1, currency FROM ledger_postings LIMIT 1",
    )
    assert any(one.startswith("Transaction 1 (") for one in breaks)


def test_a_voucher_slipped_in_between_the_seals_is_found(shop):
    breaks = tamper(
        shop,
        "ledger_transactions",
        "INSERT INTO ledger_transactions (id, key, reason, subject, posted_at, content_hash) OVERRIDING SYSTEM VALUE"
        " VALUES (0, 'x', 'x', 'x', now(), sha256('x'))",
    )
    assert "1 transactions stand between the seals." in breaks


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE ledger_seals SET hash = sha256('x') WHERE no = 1", "Seal 1 does not match its transactions."),
        ("UPDATE ledger_seals SET previous_hash = sha256('x') WHERE no = 1", "Seal 1 does not follow its predecessor."),
        ("DELETE FROM ledger_seals WHERE no = 1", "Seal 1 is missing or out of order."),
        ("UPDATE ledger_seals SET transactions_count = 99 WHERE no = 2", "Seal 2 does not match its transactions."),
        ("UPDATE ledger_seals SET last_id = last_id - 1 WHERE no = 1", "Seal 1 does not match its transactions."),
    ],
)
def test_a_changed_seal_is_found(shop, statement, sentence):
    shop.seal(2)
    assert shop.count("ledger_seals") == 2
    assert sentence in tamper(shop, "ledger_seals", statement)


def test_an_account_renamed_to_another_promoter_is_found(shop):
    other = wallet.promoter_address("prm_other", "available")
    address = wallet.promoter_address(shop.people[0], "available")
    shop.run_sql(f"UPDATE ledger_accounts SET address = '{other}', owner = 'prm_other' WHERE address = '{address}'")
    assert any("was altered" in one for one in shop.check().breaks)


@pytest.mark.parametrize("change", ["owner = 'prm_other'", "kind = 'frozen'"])
def test_bug_an_account_shown_in_another_wallet_was_not_found(shop, change):
    address = wallet.promoter_address(shop.people[1], "pending")
    shop.run_sql(f"UPDATE ledger_accounts SET {change} WHERE address = '{address}'")
    assert any(one.startswith(f"{address} is labelled as") for one in shop.check().breaks)


def test_what_is_not_sealed_yet_is_counted_and_not_hidden(shop):
    check = shop.check()
    assert check.unsealed > 0
    assert check.sealed + check.unsealed == check.transactions
    with shop.db.transaction() as tx:
        assert wallet.count_unsealed(tx) == check.unsealed


def test_the_head_of_the_chain_moves_only_when_something_is_sealed(shop):
    before = shop.check().head
    shop.seal(2)
    after = shop.check().head
    shop.seal(5)
    assert before != after == shop.check().head
    assert len(after) == 64


def test_an_empty_ledger_proves_and_has_a_head_of_zeros(database):
    check = MoneyShop(database).check()
    assert (check.ok, check.sums, check.entries, check.head) == (True, {}, 0, "0" * 64)
    MoneyShop(database).seal(3)
    assert MoneyShop(database).check().ok


def test_the_content_hash_can_be_computed_from_what_the_tables_show(shop):
    with shop.db.transaction() as tx:
        for row in tx.execute(text("SELECT * FROM ledger_transactions")).all():
            postings = tx.execute(
                text(
                    "SELECT p.no, f.address, t.address, p.amount_minor, p.currency FROM ledger_postings p"
                    " JOIN ledger_accounts f ON f.id = from_account_id JOIN ledger_accounts t ON t.id = to_account_id"
                    " WHERE transaction_id = :id ORDER BY no"
                ),
                {"id": row.id},
            )
            lines = "\x1e".join("|".join(str(value) for value in posting) for posting in postings)
            at = row.posted_at.strftime("%Y-%m-%dT%H:%M:%S.%f")
            told = "\x1f".join([row.key, row.reason, row.subject, row.reverses or "", at, lines])
            assert sha256(told.encode()).digest() == row.content_hash
