"""What readers without a need for it see of a payout account."""

import pytest

from api.wallets import mask_account


@pytest.mark.parametrize(
    ("account", "shown"),
    [("6222020200112233", "****2233"), ("12345678", "****5678"), ("1234567", "****"), ("", "****")],
)
def test_an_account_shows_at_most_its_last_four_characters(account: str, shown: str) -> None:
    assert mask_account(account) == shown


def test_no_account_stays_none() -> None:
    assert mask_account(None) is None
