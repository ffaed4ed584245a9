"""`tuike staff create` beside a database of its own."""

import pyotp
import pytest
from click.testing import CliRunner

from tuike import identity
from tuike.app import App
from tuike.cli import cli
from tuike.config import VARIABLES
from tuike.identity import Vault
from tuike.shared.clock import read_clock


def test_a_first_password_is_printed_once_and_must_be_changed(
    embedded_app: App, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for variable, name in VARIABLES.items():
        monkeypatch.setenv(variable, str(getattr(embedded_app.config, name)))
    words = ["staff", "create", "--username", "Mei", "--name", "韩梅梅", "--permission", "admin", "--permission", "risk",
             "--data-dir", str(tmp_path)]  # fmt: skip
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    password = done.stdout.strip()
    config = embedded_app.config
    vault = Vault(token_keys=config.token_keys, data_keys=config.data_keys, digest_key=config.digest_key)
    with pytest.raises(identity.PasswordChangeNeeded):
        identity.log_in_staff(embedded_app.db, vault, username="mei", password=password, device="", now=read_clock())
    with embedded_app.db.transaction() as tx:
        stored = "".join(tx.exec_driver_sql("SELECT staff::text || a::text FROM staff, audit_log a").scalars())
        actor = tx.exec_driver_sql("SELECT actor_kind FROM audit_log").scalar_one()
    assert password not in stored
    assert actor == "command"
    again = CliRunner().invoke(cli, words)
    assert again.exit_code != 0


def test_a_lost_second_factor_is_taken_away_on_the_server(
    embedded_app: App, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for variable, name in VARIABLES.items():
        monkeypatch.setenv(variable, str(getattr(embedded_app.config, name)))
    config, now = embedded_app.config, read_clock()
    vault = Vault(token_keys=config.token_keys, data_keys=config.data_keys, digest_key=config.digest_key)
    with embedded_app.db.transaction() as tx:
        member, first = identity.create_staff(tx, username="only", name="Only", permissions=("admin",), now=now)
    new = "correct horse battery"
    identity.change_password(embedded_app.db, vault, username="only", password=first, new_password=new, now=now)
    with embedded_app.db.transaction() as tx:
        secret, _ = identity.enrol_second_factor(tx, vault, staff_id=member.id, issuer="tuike")
        code = pyotp.TOTP(secret).at(now)
        identity.confirm_second_factor(tx, vault, staff_id=member.id, code=code, now=now)
    words = ["staff", "reset", "--username", "ONLY", "--data-dir", str(tmp_path)]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with embedded_app.db.transaction() as tx:
        found = identity.get_staff(tx, staff_id=member.id)
        action = tx.exec_driver_sql("SELECT action FROM audit_log ORDER BY id DESC LIMIT 1").scalar_one()
    assert (found.totp_since, found.lacks_second_factor, found.must_change_password) == (None, True, True)
    assert action == "reset_staff"
    unknown = CliRunner().invoke(cli, ["staff", "reset", "--username", "nobody", "--data-dir", str(tmp_path)])
    assert unknown.exit_code != 0
