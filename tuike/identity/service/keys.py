"""Make, recognise and revoke API keys; answer a repeated request as the first time."""

import secrets
from datetime import datetime, timedelta

from tuike.db import Transaction
from tuike.identity import rules
from tuike.identity.model.callers import KEY_SCOPES, Scope
from tuike.identity.model.keys import (
    ApiKey,
    ApiKeyNotFound,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    StoredAnswer,
    StoredRequest,
)
from tuike.identity.store import keys as store
from tuike.shared.errors import ValidationFailed
from tuike.shared.ids import new_id

KEEP_ANSWERS = timedelta(days=7)
"""How long an answer can be replayed; contract.md promises 24 hours."""

_MAX_NAME_LENGTH = 200


def create_key(tx: Transaction, *, name: str, scope: Scope | str, now: datetime) -> tuple[ApiKey, str]:
    """Make an API key and return it with its secret, which is known only here and now.

    Raises ValidationFailed for an empty or overlong name and for a scope that no key can have.
    """
    faults: dict[str, list[str]] = {}
    if not (0 < len(name) <= _MAX_NAME_LENGTH) or not name.isprintable():
        faults["name"] = [f"Must be 1 to {_MAX_NAME_LENGTH} printable characters."]
    if scope not in KEY_SCOPES:
        faults["scope"] = [f"Must be one of {', '.join(KEY_SCOPES)}."]
    if faults:
        raise ValidationFailed(fields=faults)
    secret = rules.SECRET_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(new_id("api_key"), name, Scope(scope), now)
    store.insert_key(tx, key=key, secret_hash=rules.hash_secret(secret))
    return key, secret


def authenticate(tx: Transaction, *, secret: str) -> ApiKey | None:
    """Return the key that `secret` belongs to, None for an unknown or revoked one."""
    if not rules.looks_like_secret(secret):
        return None
    return store.find_key(tx, secret_hash=rules.hash_secret(secret))


def list_keys(tx: Transaction) -> list[ApiKey]:
    """Return up to 1,000 keys, oldest first, revoked ones too."""
    return store.list_keys(tx)


def revoke_key(tx: Transaction, *, key_id: str, now: datetime) -> ApiKey:
    """Revoke a key; running API processes notice within five seconds. Raises ApiKeyNotFound."""
    key = store.revoke_key(tx, key_id=key_id, now=now)
    if key is None:
        raise ApiKeyNotFound
    return key


def claim_request(tx: Transaction, *, request: StoredRequest, now: datetime) -> StoredAnswer | None:
    """Claim an idempotency key for this transaction, or return the answer that was given under it before.

    None means: do the work, then `store_answer` in the same transaction. A rollback gives the key free again. A twin
    that arrives meanwhile waits for the first to end.
    Raises IdempotencyKeyReused for another method, path or body; IdempotencyInProgress when the twin takes too long.
    """
    if store.insert_request(tx, request=request, now=now):
        return None
    found = store.find_request(tx, caller_id=request.caller_id, key=request.key)
    if found is None:  # purged between the two statements
        raise IdempotencyInProgress
    return _replay(request, *found)


def find_answer(tx: Transaction, *, request: StoredRequest) -> StoredAnswer | None:
    """Return what was answered to `request`, None when its key is free. Raises as `claim_request` does."""
    found = store.find_request(tx, caller_id=request.caller_id, key=request.key)
    return None if found is None else _replay(request, *found)


def store_answer(tx: Transaction, *, request: StoredRequest, answer: StoredAnswer) -> None:
    """Keep the answer to a claimed request; it commits together with what the request did."""
    store.update_answer(tx, request=request, answer=answer)


def purge_answers(tx: Transaction, *, now: datetime, limit: int = 10_000) -> int:
    """Forget up to `limit` answers older than a week and return how many; the schedule calls this daily or oftener."""
    return store.delete_requests(tx, before=now - KEEP_ANSWERS, limit=limit)


def _replay(request: StoredRequest, stored: StoredRequest, answer: StoredAnswer | None) -> StoredAnswer:
    if stored != request:
        raise IdempotencyKeyReused
    if answer is None:
        raise IdempotencyInProgress
    return answer
