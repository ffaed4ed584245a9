"""Keys and stored answers over a real PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from tuike import identity
from tuike.db import Database
from tuike.identity.service.keys import KEEP_ANSWERS
from tuike.shared.errors import ValidationFailed

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def _make_request(**fields: object) -> identity.StoredRequest:
    values = {"caller_id": "key_1", "key": "k", "method": "POST", "path": "/p", "body_hash": b"h"} | fields
    return identity.StoredRequest(**values)  # type: ignore[arg-type]


def test_a_key_is_known_by_its_secret_until_it_is_revoked(database: Database) -> None:
    with database.transaction() as tx:
        key, secret = identity.create_key(tx, name="shop", scope="integration", now=NOW)
        assert secret.startswith("tk_")
        assert identity.authenticate(tx, secret=secret) == key
        assert identity.authenticate(tx, secret=secret + "x") is None
        revoked = identity.revoke_key(tx, key_id=key.id, now=NOW)
        assert revoked.revoked_at == NOW
        assert identity.revoke_key(tx, key_id=key.id, now=NOW + timedelta(days=1)) == revoked
        assert identity.authenticate(tx, secret=secret) is None
        assert identity.list_keys(tx) == [revoked]


def test_a_key_needs_a_name_and_a_scope_that_exists(database: Database) -> None:
    with database.transaction() as tx:
        for name, scope, fault in (("", "operator", "name"), ("a\n", "operator", "name"), ("a", "root", "scope")):
            with pytest.raises(ValidationFailed) as caught:
                identity.create_key(tx, name=name, scope=scope, now=NOW)
            assert list(caught.value.fields or {}) == [fault]
        with pytest.raises(identity.ApiKeyNotFound):
            identity.revoke_key(tx, key_id="key_none", now=NOW)


def test_an_answer_is_kept_with_what_it_answered(database: Database) -> None:
    request, answer = _make_request(), identity.StoredAnswer(201, '{"id":"推"}')
    with database.transaction() as tx:
        assert identity.claim_request(tx, request=request, now=NOW) is None
        identity.store_answer(tx, request=request, answer=answer)
    with database.transaction() as tx:
        assert identity.claim_request(tx, request=request, now=NOW) == answer
        for other in ({"method": "PUT"}, {"path": "/q"}, {"body_hash": b"i"}):
            with pytest.raises(identity.IdempotencyKeyReused):
                identity.claim_request(tx, request=_make_request(**other), now=NOW)
        assert identity.claim_request(tx, request=_make_request(caller_id="key_2"), now=NOW) is None


def test_a_rollback_gives_the_key_free(database: Database) -> None:
    with database.transaction() as tx:
        identity.claim_request(tx, request=_make_request(), now=NOW)
        tx.rollback()
    with database.transaction() as tx:
        assert identity.find_answer(tx, request=_make_request()) is None


def test_answers_are_forgotten_after_a_week_and_not_before(database: Database) -> None:
    with database.transaction() as tx:
        for age, key in ((timedelta(days=1), "young"), (KEEP_ANSWERS + timedelta(seconds=1), "old")):
            request = _make_request(key=key)
            identity.claim_request(tx, request=request, now=NOW - age)
            identity.store_answer(tx, request=request, answer=identity.StoredAnswer(200, "{}"))
        assert identity.purge_answers(tx, now=NOW) == 1
        assert identity.find_answer(tx, request=_make_request(key="young")) is not None
        assert identity.find_answer(tx, request=_make_request(key="old")) is None
