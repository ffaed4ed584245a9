"""Shoppers and staff who call the API of one process, and what stands in for WeChat and Alipay there."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyotp
from flask import Flask
from werkzeug.test import TestResponse

from api import create_app
from tests.e2e.conftest import Caller
from tests.e2e.described import check_described
from tuike import identity
from tuike.providers import Provider, ProviderRefused, ProviderUnavailable
from tuike.shared.clock import read_clock

PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Person:
    openid: str
    unionid: str | None = None


@dataclass(frozen=True)
class Number:
    number: str
    country_code: str = "86"


@dataclass(frozen=True)
class AlipayAccount:
    id: str


@dataclass
class OutsideAlipay:
    """Alipay's side of the same outside."""

    outside: Outside

    def log_in(self, *, code: str) -> AlipayAccount:
        return self.outside.take_alipay(code)


@dataclass
class Outside:
    """Codes that WeChat and Alipay would have given out; each works once."""

    codes: dict[str, Person] = field(default_factory=dict)
    phones: dict[str, Number] = field(default_factory=dict)
    alipay_users: dict[str, str] = field(default_factory=dict)
    is_down: bool = False

    @property
    def wechat(self) -> Outside:
        return self

    @property
    def alipay(self) -> OutsideAlipay:
        return OutsideAlipay(self)

    def log_in(self, *, code: str) -> Person:
        return self._take(self.codes, code)

    def get_phone_number(self, *, code: str, now: datetime, openid: str | None = None) -> Number:
        return self._take(self.phones, code)

    def take_alipay(self, code: str) -> AlipayAccount:
        return AlipayAccount(self._take(self.alipay_users, code))

    def _take(self, known: dict[str, Any], code: str) -> Any:
        if self.is_down:
            raise ProviderUnavailable(Provider.WECHAT, "down", is_outcome_unknown=True)
        if code not in known:
            raise ProviderRefused(Provider.WECHAT, "40029")
        return known.pop(code)

    def code_of(self, person: Person) -> str:
        code = f"code-{next(_numbers)}"
        self.codes[code] = person
        return code

    def code_of_phone(self, number: str) -> str:
        code = f"phone-{next(_numbers)}"
        self.phones[code] = Number(number)
        return code

    def code_of_alipay(self, user_id: str) -> str:
        code = f"alipay-{next(_numbers)}"
        self.alipay_users[code] = user_id
        return code


@dataclass
class Someone:
    """Calls the API with an access token."""

    flask: Flask
    tokens: dict[str, Any]

    def send(self, method: str, path: str, json: Any = None, headers: dict[str, str] | None = None) -> TestResponse:
        sent = {"Authorization": f"Bearer {self.tokens['access_token']}"} | (headers or {})
        answer = self.flask.test_client().open(f"/api/v1/{path}", method=method, json=json, headers=sent)
        return check_described(self.flask, method, f"/api/v1/{path}", answer)

    def get(self, path: str) -> TestResponse:
        return self.send("GET", path)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.send("POST", path, json={} if json is None else json, **options)

    def refresh(self, token: str | None = None) -> TestResponse:
        body = {"refresh_token": token or self.tokens["refresh_token"]}
        return self.flask.test_client().post("/api/v1/login/refresh", json=body)

    def enrol(self) -> tuple[str, list[str]]:
        """Enrol a second factor, by the code of the step before this one; return its secret and recovery codes."""
        secret = self.post("staff/me/second-factor").get_json()["secret"]
        answer = self.post("staff/me/second-factor/confirm", {"code": totp_at(secret, ahead=-1)})
        assert answer.status_code == 200, answer.text
        return secret, answer.get_json()["recovery_codes"]


class Town:
    """One process that serves the API to people, beside the callers with keys."""

    def __init__(self, caller: Caller) -> None:
        self.app = caller.app
        self.outside = Outside()
        self.flask = create_app(caller.app, logins=self.outside)
        config = caller.app.config
        self.vault = identity.Vault(
            token_keys=config.token_keys, data_keys=config.data_keys, digest_key=config.digest_key
        )
        self.keys = Caller(self.flask, caller.app, caller.secrets)

    def send(self, method: str, path: str, json: Any = None, headers: dict[str, str] | None = None) -> TestResponse:
        """Send a request without credentials."""
        answer = self.flask.test_client().open(f"/api/v1/{path}", method=method, json=json, headers=headers)
        return check_described(self.flask, method, f"/api/v1/{path}", answer)

    def log_in(self, person: Person | None = None, **fields: Any) -> Someone:
        """Log a shopper in with one tap."""
        person = person or Person(f"openid-{next(_numbers)}")
        answer = self.send("POST", "login/wechat", {"code": self.outside.code_of(person)} | fields)
        assert answer.status_code == 200, answer.text
        return Someone(self.flask, answer.get_json())

    def hire(self, *permissions: str, username: str | None = None) -> Someone:
        """Make a member of staff who has changed the first password and enrolled what is needed, and log in."""
        username = username or f"staff-{next(_numbers)}"
        with self.app.db.transaction() as tx:
            _, first = identity.create_staff(
                tx, username=username, name="Han Meimei", permissions=permissions or ("support",), now=read_clock()
            )
        body = {"username": username, "password": first, "new_password": PASSWORD}
        assert self.send("POST", "staff/password", body).status_code == 200
        answer = self.log_in_staff(username)
        assert answer.status_code == 200, answer.text
        member = Someone(self.flask, answer.get_json() | {"username": username})
        if member.tokens["must_enrol_second_factor"]:
            member.enrol()
        return member

    def log_in_staff(self, username: str, password: str = PASSWORD, **fields: Any) -> TestResponse:
        return self.send("POST", "staff/login", {"username": username, "password": password} | fields)

    def publish(self, kind: str) -> int:
        with self.app.db.transaction() as tx:
            made = identity.publish_agreement(
                tx, kind=identity.AgreementKind(kind), title=kind, body="…", now=read_clock()
            )
        return made.version


def totp_at(secret: str, *, ahead: int = 0) -> str:
    """Return the code of an authenticator app, `ahead` steps from now."""
    return pyotp.TOTP(secret).at(read_clock() + timedelta(seconds=30 * ahead))
