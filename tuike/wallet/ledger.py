"""Posting: the only way by which a balance changes.

Transactions are staged as rows of a temporary table, from Python (`post`) or by another capability's query
(`stage_from_query` then `post_staged`), and booked by one set of statements, so that a batch of a thousand costs about
as many round trips as one. Accounts are locked in the order of their ids, all at once: a transaction that looks at
balances first does so through `lock_balances` with every account it will touch, and then no two can deadlock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text

from tuike.db import Transaction
from tuike.wallet.model import LedgerTransaction

_STAGE_TABLE = text(
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS staged_postings (
        key text, reason text, subject text, reverses text, no smallint,
        from_address text, to_address text, amount_minor bigint, currency text
    ) ON COMMIT DELETE ROWS
    """
)
_STAGE_COLUMNS = "key, reason, subject, reverses, no, from_address, to_address, amount_minor, currency"

_STAGE = text(
    f"""
    INSERT INTO staged_postings ({_STAGE_COLUMNS})
    SELECT * FROM unnest(:keys, :reasons, :subjects, :reverses, :nos ::smallint[], :froms, :tos, :amounts, :currencies)
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("keys", "reasons", "subjects", "reverses", "froms", "tos")),
    bindparam("currencies", type_=ARRAY(Text)),
    bindparam("nos", type_=ARRAY(BigInteger)),
    bindparam("amounts", type_=ARRAY(BigInteger)),
)

# Accounts are looked up one by one, by index, however many there are: a join here tempts the planner to read them all.
# An address ends in its kind, and its owner is what stands between ("promoter:{id}:debt"; "world" owns itself).
_OPEN_ACCOUNTS = """
    INSERT INTO ledger_accounts (address, currency, kind, owner)
    SELECT address, currency, regexp_replace(address, '^.*:', ''),
           CASE WHEN address LIKE '%:%:%' THEN split_part(address, ':', 2) ELSE split_part(address, ':', 1) END
    FROM ({addresses}) AS wanted (address, currency)
    WHERE (SELECT a.id FROM ledger_accounts a
           WHERE a.address = wanted.address AND a.currency = wanted.currency) IS NULL
    ORDER BY address
    ON CONFLICT (address, currency) DO NOTHING
"""
_OPEN_STAGED = text(
    _OPEN_ACCOUNTS.format(
        addresses="SELECT from_address, currency FROM staged_postings UNION "
        "SELECT to_address, currency FROM staged_postings"
    )
)
_OPEN_NAMED = text(_OPEN_ACCOUNTS.format(addresses="SELECT * FROM unnest(:addresses, :currencies)")).bindparams(
    bindparam("addresses", type_=ARRAY(Text)), bindparam("currencies", type_=ARRAY(Text))
)

_LOCK_NAMED = text(
    """
    SELECT a.address, a.currency, a.balance_minor
    FROM ledger_accounts a JOIN unnest(:addresses, :currencies) AS wanted (address, currency)
      ON a.address = wanted.address AND a.currency = wanted.currency
    ORDER BY a.id FOR UPDATE OF a
    """
).bindparams(bindparam("addresses", type_=ARRAY(Text)), bindparam("currencies", type_=ARRAY(Text)))

_BOOK = text(
    """
    WITH resolved AS MATERIALIZED (
        SELECT s.*,
               (SELECT a.id FROM ledger_accounts a
                WHERE a.address = s.from_address AND a.currency = s.currency) AS from_id,
               (SELECT a.id FROM ledger_accounts a
                WHERE a.address = s.to_address AND a.currency = s.currency) AS to_id
        FROM staged_postings s
    ), booked AS (
        INSERT INTO ledger_transactions (key, reason, subject, reverses, posted_at, content_hash)
        SELECT key, min(reason), min(subject), min(reverses), :now,
               sha256(convert_to(concat_ws(E'\\x1f', key, min(reason), min(subject), coalesce(min(reverses), ''),
                   to_char(:now ::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
                   string_agg(concat_ws('|', no, from_address, to_address, amount_minor, currency), E'\\x1e'
                              ORDER BY no)), 'UTF8'))
        FROM resolved GROUP BY key ORDER BY key
        RETURNING id, key
    )
    INSERT INTO ledger_postings (transaction_id, no, from_account_id, to_account_id, amount_minor, currency)
    SELECT b.id, r.no, r.from_id, r.to_id, r.amount_minor, r.currency FROM resolved r JOIN booked b USING (key)
    """
)

# Last, because it holds the rows that every batch wants: they stay locked only until the commit that follows.
_CHANGE_BALANCES = text(
    """
    WITH moved AS (
        DELETE FROM staged_postings RETURNING from_address, to_address, amount_minor, currency
    ), deltas AS MATERIALIZED (
        SELECT address, currency, sum(delta)::bigint AS delta FROM (
            SELECT from_address AS address, currency, -amount_minor AS delta FROM moved
            UNION ALL SELECT to_address, currency, amount_minor FROM moved) moves
        GROUP BY address, currency HAVING sum(delta) <> 0
    ), named AS MATERIALIZED (
        SELECT (SELECT id FROM ledger_accounts a WHERE a.address = d.address AND a.currency = d.currency) AS id, delta
        FROM deltas d
    ), locked AS MATERIALIZED (
        SELECT a.id, n.delta FROM ledger_accounts a JOIN named n USING (id) ORDER BY a.id FOR UPDATE OF a
    )
    UPDATE ledger_accounts a SET balance_minor = a.balance_minor + l.delta FROM locked l WHERE a.id = l.id
    """
)


@dataclass(frozen=True, slots=True)
class Balances:
    """Balances read under lock; accounts that were never used count 0."""

    _by_account: Mapping[tuple[str, str], int]

    def of(self, address: str, currency: str) -> int:
        """Return the balance of an account in minor units; a promoter's debt account is at or below 0."""
        return self._by_account.get((address, currency), 0)


def lock_balances(tx: Transaction, *, accounts: Iterable[tuple[str, str]]) -> Balances:
    """Lock accounts (address, currency) until the transaction ends, opening missing ones, and return their balances.

    Call it once per transaction, with every account that `post` will touch.
    """
    wanted = sorted(set(accounts))
    named = {"addresses": [address for address, _ in wanted], "currencies": [currency for _, currency in wanted]}
    tx.execute(_OPEN_NAMED, named)
    return Balances({(address, currency): balance for address, currency, balance in tx.execute(_LOCK_NAMED, named)})


def post(tx: Transaction, *, transactions: Sequence[LedgerTransaction], now: datetime) -> None:
    """Book ledger transactions: postings, content hashes and balances, all or nothing.

    A transaction without postings is not booked. Raises IntegrityError (a defect of the caller, who guards its own
    state) when a key was booked before or a promoter's balance would become negative.
    """
    rows = [
        (one.key, one.reason, one.subject, one.reverses, no, p.from_address, p.to_address, p.amount_minor, p.currency)
        for one in transactions
        for no, p in enumerate(one.postings)
    ]
    if not rows:
        return
    columns = ("keys", "reasons", "subjects", "reverses", "nos", "froms", "tos", "amounts", "currencies")
    tx.execute(_STAGE_TABLE)
    tx.execute(_STAGE, dict(zip(columns, (list(column) for column in zip(*rows, strict=True)), strict=True)))
    _post_staged(tx, now=now)


def stage_from_query(tx: Transaction, *, query: str, parameters: Mapping[str, Any], now: datetime) -> None:
    """Book what a query yields, without a detour through Python: for batches.

    `query` is SQL that returns the columns key, reason, subject, reverses, no, from_address, to_address, amount_minor,
    currency; it may be any statement with RETURNING inside a WITH. Rows of one key form one ledger transaction.
    """
    tx.execute(_STAGE_TABLE)
    tx.execute(text(query.replace("{stage}", f"INSERT INTO staged_postings ({_STAGE_COLUMNS})")), parameters)
    _post_staged(tx, now=now)


def _post_staged(tx: Transaction, *, now: datetime) -> None:
    # Staging has written a row, so this transaction has its id before it draws a number for a voucher: the sealer
    # relies on that order (see seals.py).
    tx.execute(_OPEN_STAGED)
    tx.execute(_BOOK, {"now": now})
    tx.execute(_CHANGE_BALANCES)
