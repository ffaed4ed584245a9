"""Who is calling, and whether the same call was answered before.

Words: a *caller* is an API key, a shopper, a member of staff or nobody; a *scope* says what a caller may do; an *API
key* is a secret (`tk_…`) with a scope, shown once and kept only as a hash; an *idempotency key* is a caller's own name
for one request.

Invariants: a secret is never stored or logged; a revoked key never authenticates again; under one idempotency key of
one caller at most one request ever takes effect, and its answer commits together with that effect.
"""

from tuike.identity.model import (
    KEY_SCOPES,
    NOBODY,
    PERMISSIONS,
    ApiKey,
    ApiKeyNotFound,
    Caller,
    CallerKind,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    Scope,
    StoredAnswer,
    StoredRequest,
)
from tuike.identity.rules import fingerprint_of, scopes_of
from tuike.identity.service import (
    authenticate,
    claim_request,
    create_key,
    find_answer,
    list_keys,
    purge_answers,
    revoke_key,
    store_answer,
)

__all__ = [
    "KEY_SCOPES",
    "NOBODY",
    "PERMISSIONS",
    "ApiKey",
    "ApiKeyNotFound",
    "Caller",
    "CallerKind",
    "IdempotencyInProgress",
    "IdempotencyKeyReused",
    "Scope",
    "StoredAnswer",
    "StoredRequest",
    "authenticate",
    "claim_request",
    "create_key",
    "find_answer",
    "fingerprint_of",
    "list_keys",
    "purge_answers",
    "revoke_key",
    "scopes_of",
    "store_answer",
]
