"""Reads and writes of API keys and stored answers."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import OperationalError

from tuike.db import Transaction
from tuike.identity.model.callers import Scope
from tuike.identity.model.keys import ApiKey, IdempotencyInProgress, StoredAnswer, StoredRequest

_LOCK_NOT_AVAILABLE = "55P03"

_INSERT_KEY = text(
    "INSERT INTO api_keys (id, name, scope, secret_hash, created_at) VALUES (:id, :name, :scope, :secret_hash, :now)"
)
_FIND_KEY = text(
    "SELECT id, name, scope, created_at, revoked_at FROM api_keys WHERE secret_hash = :secret_hash"
    " AND revoked_at IS NULL"
)
_LIST_KEYS = text("SELECT id, name, scope, created_at, revoked_at FROM api_keys ORDER BY id LIMIT 1000")
_REVOKE_KEY = text(
    "UPDATE api_keys SET revoked_at = coalesce(revoked_at, :now) WHERE id = :id"
    " RETURNING id, name, scope, created_at, revoked_at"
)
# The column is named after the first kind of caller, so that an older version can run beside this one.
# The wait for a twin is bounded in the same statement: set_config is evaluated before the row is inserted.
_CLAIM = text(
    """
    INSERT INTO idempotency_keys (api_key_id, key, method, path, body_hash, created_at)
    SELECT :caller_id, :key, :method, :path, :body_hash, CAST(:now AS timestamptz)
    FROM set_config('lock_timeout', '8s', true)
    ON CONFLICT DO NOTHING
    """
)
_FIND_ANSWER = text(
    "SELECT method, path, body_hash, status, body FROM idempotency_keys WHERE api_key_id = :caller_id AND key = :key"
)
_STORE_ANSWER = text(
    "UPDATE idempotency_keys SET status = :status, body = :body WHERE api_key_id = :caller_id AND key = :key"
)
_PURGE = text(
    """
    DELETE FROM idempotency_keys WHERE (api_key_id, key) IN (
        SELECT api_key_id, key FROM idempotency_keys WHERE created_at < :before ORDER BY created_at LIMIT :limit
        FOR UPDATE SKIP LOCKED)
    """
)


def insert_key(tx: Transaction, *, key: ApiKey, secret_hash: bytes) -> None:
    """Keep a new key beside the hash of its secret."""
    tx.execute(
        _INSERT_KEY,
        {"id": key.id, "name": key.name, "scope": key.scope, "secret_hash": secret_hash, "now": key.created_at},
    )


def find_key(tx: Transaction, *, secret_hash: bytes) -> ApiKey | None:
    """Return the living key with this hash."""
    row = tx.execute(_FIND_KEY, {"secret_hash": secret_hash}).first()
    return None if row is None else _to_key(row)


def list_keys(tx: Transaction) -> list[ApiKey]:
    """Return every key, oldest first, revoked ones too."""
    return [_to_key(row) for row in tx.execute(_LIST_KEYS)]


def revoke_key(tx: Transaction, *, key_id: str, now: datetime) -> ApiKey | None:
    """Mark a key revoked; a second time changes nothing."""
    row = tx.execute(_REVOKE_KEY, {"id": key_id, "now": now}).first()
    return None if row is None else _to_key(row)


def insert_request(tx: Transaction, *, request: StoredRequest, now: datetime) -> bool:
    """Claim an idempotency key; False when it is taken. Waits for a twin that is at work, up to eight seconds.

    Raises IdempotencyInProgress when the twin takes longer; the transaction is unusable then.
    """
    try:
        inserted = tx.execute(
            _CLAIM,
            {
                "caller_id": request.caller_id,
                "key": request.key,
                "method": request.method,
                "path": request.path,
                "body_hash": request.body_hash,
                "now": now,
            },
        )
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise IdempotencyInProgress from error
        raise
    return inserted.rowcount == 1


def find_request(tx: Transaction, *, caller_id: str, key: str) -> tuple[StoredRequest, StoredAnswer | None] | None:
    """Return the request that holds an idempotency key, with its answer."""
    row = tx.execute(_FIND_ANSWER, {"caller_id": caller_id, "key": key}).first()
    if row is None:
        return None
    request = StoredRequest(caller_id, key, row.method, row.path, bytes(row.body_hash))
    return request, None if row.status is None else StoredAnswer(row.status, row.body)


def update_answer(tx: Transaction, *, request: StoredRequest, answer: StoredAnswer) -> None:
    """Keep the answer beside the claimed key."""
    tx.execute(
        _STORE_ANSWER,
        {"caller_id": request.caller_id, "key": request.key, "status": answer.status, "body": answer.body},
    )


def delete_requests(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Forget up to `limit` requests older than `before`."""
    return tx.execute(_PURGE, {"before": before, "limit": limit}).rowcount


def delete_requests_of(tx: Transaction, *, caller_id: str) -> None:
    """Forget everything that was answered to a caller."""
    tx.execute(text("DELETE FROM idempotency_keys WHERE api_key_id = :caller_id"), {"caller_id": caller_id})


def _to_key(row: Row[Any]) -> ApiKey:
    return ApiKey(row.id, row.name, Scope(row.scope), row.created_at, row.revoked_at)
