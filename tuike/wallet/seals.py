"""The hash chain over ledger transactions, and the proof of the whole ledger.

Writers never queue for the chain: a transaction carries the hash of its own content, and a sealer later links batches
of them. Numbers are drawn before commit, so a lower number can become visible after a higher one. The sealer therefore
notes the highest number it sees and then a horizon, the transaction id it is given itself, and seals up to that number
only on a later call, when every transaction below the horizon is over: whatever number at or below it exists, exists
for good. For posting has its transaction id before it draws a number, and so before any number that was seen.
(`pg_snapshot_xmax` is no such horizon: it is one past the last completed transaction, and a running one may be above.)
"""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import text

from tuike.db import Transaction
from tuike.wallet.model import LedgerCheck

_SEALER_LOCK = 0x7475_696B_0001
_GENESIS = bytes(32)

_HIGHEST = text("SELECT coalesce(max(id), 0), pg_current_xact_id_if_assigned() IS NULL FROM ledger_transactions")
_MARK = text(
    """
    INSERT INTO ledger_seal_marks (high_id, horizon) VALUES (:high, pg_current_xact_id())
    ON CONFLICT (only_row) DO UPDATE SET high_id = excluded.high_id, horizon = excluded.horizon
    """
)
_MATURE = text("SELECT high_id FROM ledger_seal_marks WHERE horizon <= pg_snapshot_xmin(pg_current_snapshot())")
_LAST_SEAL = text("SELECT no, last_id, hash FROM ledger_seals ORDER BY no DESC LIMIT 1")
_NEXT_BATCH = text(
    """
    SELECT min(id), max(id), count(*), sha256(string_agg(content_hash, ''::bytea ORDER BY id))
    FROM (SELECT id, content_hash FROM ledger_transactions WHERE id > :after AND id <= :high ORDER BY id LIMIT :limit) b
    """
)
_ADD_SEAL = text(
    """
    INSERT INTO ledger_seals (no, first_id, last_id, transactions_count, previous_hash, hash, sealed_at)
    VALUES (:no, :first_id, :last_id, :count, :previous, :hash, :now)
    """
)


def seal_transactions(tx: Transaction, *, now: datetime, limit: int = 5_000) -> int:
    """Link settled ledger transactions to the chain, up to `limit` per seal, and return how many.

    Returns 0 when another sealer is at work. What was posted since the previous call is sealed by the next. Call it in
    a transaction that has written nothing: raises RuntimeError otherwise, since its horizon would be too low.
    """
    if not tx.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _SEALER_LOCK}).scalar_one():
        return 0
    high, is_unwritten = tx.execute(_HIGHEST).one()
    if not is_unwritten:
        raise RuntimeError("Sealing needs a transaction of its own.")
    mature = tx.execute(_MATURE).scalar_one_or_none()
    if mature is None and _has_mark(tx):
        return 0
    sealed = 0 if mature is None else _seal_up_to(tx, mature, limit, now)
    tx.execute(_MARK, {"high": high})
    return sealed


def _has_mark(tx: Transaction) -> bool:
    return bool(tx.execute(text("SELECT EXISTS (SELECT 1 FROM ledger_seal_marks)")).scalar_one())


def _seal_up_to(tx: Transaction, high: int, limit: int, now: datetime) -> int:
    last = tx.execute(_LAST_SEAL).one_or_none()
    no, after, previous = (last.no, last.last_id, last.hash) if last else (0, 0, _GENESIS)
    sealed = 0
    while True:
        first_id, last_id, count, digest = tx.execute(_NEXT_BATCH, {"after": after, "high": high, "limit": limit}).one()
        if not count:
            return sealed
        link = _link(previous, digest)
        no += 1
        tx.execute(
            _ADD_SEAL,
            {"no": no, "first_id": first_id, "last_id": last_id, "count": count, "previous": previous, "hash": link,
             "now": now},
        )  # fmt: skip
        after, previous, sealed = last_id, link, sealed + count


def _link(previous: bytes, digest: bytes) -> bytes:
    return sha256(previous + digest).digest()


def count_unsealed(tx: Transaction) -> int:
    """Return how many ledger transactions no seal covers yet."""
    return int(tx.execute(_COUNT_UNSEALED).scalar_one())


_COUNT_UNSEALED = text(
    "SELECT count(*) FROM ledger_transactions WHERE id > (SELECT coalesce(max(last_id), 0) FROM ledger_seals)"
)
_SUMS = text("SELECT currency, sum(balance_minor)::text FROM ledger_accounts GROUP BY currency ORDER BY currency")
_WRONG_BALANCES = text(
    """
    SELECT a.address, a.currency, a.balance_minor, coalesce(sum(m.delta), 0) AS posted
    FROM ledger_accounts a LEFT JOIN (
        SELECT from_account_id AS account_id, -amount_minor AS delta, currency FROM ledger_postings
        UNION ALL SELECT to_account_id, amount_minor, currency FROM ledger_postings) m
      ON m.account_id = a.id AND m.currency = a.currency
    GROUP BY a.id, a.address, a.currency, a.balance_minor
    HAVING a.balance_minor <> coalesce(sum(m.delta), 0) LIMIT 20
    """
)
_WRONG_CURRENCIES = text(
    """
    SELECT p.transaction_id FROM ledger_postings p
    LEFT JOIN ledger_accounts f ON f.id = p.from_account_id LEFT JOIN ledger_accounts t ON t.id = p.to_account_id
    WHERE f.currency IS DISTINCT FROM p.currency OR t.currency IS DISTINCT FROM p.currency LIMIT 20
    """
)
_WRONG_CONTENT = text(
    """
    SELECT x.id, x.key FROM ledger_transactions x
    LEFT JOIN LATERAL (
        SELECT string_agg(concat_ws('|', p.no, f.address, t.address, p.amount_minor, p.currency), E'\\x1e'
                          ORDER BY p.no) AS postings
        FROM ledger_postings p JOIN ledger_accounts f ON f.id = p.from_account_id
        JOIN ledger_accounts t ON t.id = p.to_account_id WHERE p.transaction_id = x.id) c ON true
    WHERE x.content_hash <> sha256(convert_to(concat_ws(E'\\x1f', x.key, x.reason, x.subject, coalesce(x.reverses, ''),
              to_char(x.posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), coalesce(c.postings, '')), 'UTF8'))
    LIMIT 20
    """
)
_ORPHANS = text(
    """
    SELECT DISTINCT p.transaction_id FROM ledger_postings p
    WHERE NOT EXISTS (SELECT 1 FROM ledger_transactions x WHERE x.id = p.transaction_id) LIMIT 20
    """
)
_UNKNOWN_REVERSALS = text(
    """
    SELECT x.key, x.reverses FROM ledger_transactions x WHERE x.reverses IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM ledger_transactions y WHERE y.key = x.reverses) LIMIT 20
    """
)
# What a wallet shows is found by owner and kind, so these must be what the address says.
_MISLABELLED = text(
    """
    SELECT address, owner, kind FROM ledger_accounts
    WHERE kind <> regexp_replace(address, '^.*:', '') OR owner <> CASE WHEN address LIKE '%:%:%'
          THEN split_part(address, ':', 2) ELSE split_part(address, ':', 1) END LIMIT 20
    """
)
_SEALS = text(
    """
    SELECT s.no, s.first_id, s.last_id, s.transactions_count, s.previous_hash, s.hash, c.found_count, c.digest
    FROM ledger_seals s LEFT JOIN LATERAL (
        SELECT count(*) AS found_count, sha256(string_agg(x.content_hash, ''::bytea ORDER BY x.id)) AS digest
        FROM ledger_transactions x WHERE x.id BETWEEN s.first_id AND s.last_id) c ON true
    ORDER BY s.no
    """
)


def check_ledger(tx: Transaction) -> LedgerCheck:
    """Prove the ledger and name what is broken.

    Proven, on one snapshot: the sum per currency is 0; every balance equals its postings; both ends of a posting have
    its currency; accounts are labelled as their addresses say; every transaction's content still has its hash;
    reversals name what exists; the chain of seals is unbroken and covers every transaction up to its last. What is not
    sealed yet is counted, not hidden.
    """
    tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    sums = {currency: int(total) for currency, total in tx.execute(_SUMS)}
    breaks = [f"The balances in {currency} sum to {total}, not 0." for currency, total in sums.items() if total]
    breaks += [
        f"{address} in {currency} has balance {balance}, its postings make {posted}."
        for address, currency, balance, posted in tx.execute(_WRONG_BALANCES)
    ]
    breaks += [f"Transaction {number} mixes currencies." for (number,) in tx.execute(_WRONG_CURRENCIES)]
    breaks += [f"Transaction {number} ({key}) was altered." for number, key in tx.execute(_WRONG_CONTENT)]
    breaks += [f"Transaction {number} is missing but has postings." for (number,) in tx.execute(_ORPHANS)]
    breaks += [f"{key} reverses {gone}, which does not exist." for key, gone in tx.execute(_UNKNOWN_REVERSALS)]
    breaks += [f"{address} is labelled as {kind} of {owner}." for address, owner, kind in tx.execute(_MISLABELLED)]
    seal_breaks, head, sealed = _check_seals(tx)
    transactions = int(tx.execute(text("SELECT count(*) FROM ledger_transactions")).scalar_one())
    entries = int(tx.execute(text("SELECT count(*) FROM ledger_postings")).scalar_one())
    breaks += seal_breaks
    return LedgerCheck(not breaks, sums, transactions, entries, head.hex(), sealed, transactions - sealed, breaks)


def _check_seals(tx: Transaction) -> tuple[list[str], bytes, int]:
    breaks: list[str] = []
    expected_no, after, previous, sealed = 1, 0, _GENESIS, 0
    for seal in tx.execution_options(stream_results=True).execute(_SEALS):
        if seal.no != expected_no or seal.first_id <= after:
            breaks.append(f"Seal {expected_no} is missing or out of order.")
        if seal.previous_hash != previous:
            breaks.append(f"Seal {seal.no} does not follow its predecessor.")
        if seal.found_count != seal.transactions_count or _link(seal.previous_hash, seal.digest or b"") != seal.hash:
            breaks.append(f"Seal {seal.no} does not match its transactions.")
        expected_no, after, previous, sealed = seal.no + 1, seal.last_id, seal.hash, sealed + seal.found_count
    strays = tx.execute(
        text("SELECT count(*) FROM ledger_transactions WHERE id <= :after"), {"after": after}
    ).scalar_one()
    if strays != sealed:
        breaks.append(f"{abs(strays - sealed)} transactions stand between the seals.")
    return breaks, previous, sealed
