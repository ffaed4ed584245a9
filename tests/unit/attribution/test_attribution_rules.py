"""Decisions about touches, without any server."""

from datetime import UTC, datetime, timedelta

from tuike.attribution.rules import decide_since, digest_identifier
from tuike.shared.clock import to_micros

PLACED = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_a_touch_holds_for_exactly_its_lock_days():
    since = decide_since(placed_at=PLACED, lock_days=30)
    held_until_now = to_micros(PLACED - timedelta(days=30))
    assert not held_until_now > since
    assert held_until_now + 1 > since


def test_digests_depend_on_kind_value_and_salt():
    one = digest_identifier("device", "x", salt=b"a")
    assert one == digest_identifier("device", "x", salt=b"a")
    assert len({one, digest_identifier("ip", "x", salt=b"a"), digest_identifier("device", "x", salt=b"b")}) == 3
