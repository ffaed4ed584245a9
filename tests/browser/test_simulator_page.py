"""The page where a person pays and confirms, as a person uses it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.simulators import Ear, Simulated
from tuike.providers import PaymentState, Providers


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.close()


@pytest.fixture
def providers(simulated: Simulated) -> Iterator[Providers]:
    simulated.control("reset")
    made = simulated.make_providers()
    yield made
    made.close()


def open_payment(simulated: Simulated, providers: Providers, ear: Ear, *, description: str = "两斤苹果") -> None:
    providers.wechat_pay.prepay(
        out_no="order-1", description=description, amount_minor=12_345, openid=simulated.person("李雷")["openid"],
        notify_url=ear.url, expires_at=datetime.now(UTC) + timedelta(minutes=30),
    )  # fmt: skip


def test_a_person_pays_and_the_merchant_hears_of_it(
    page: Page, simulated: Simulated, providers: Providers, ear: Ear
) -> None:
    page.goto(simulated.url)
    expect(page.get_by_text("没有待支付的订单").first).to_be_visible()
    open_payment(simulated, providers, ear)
    page.reload()
    row = page.get_by_role("listitem").filter(has_text="两斤苹果")
    expect(row).to_contain_text("¥123.45")
    row.get_by_role("button", name="支付").click()
    expect(page.get_by_text("没有待支付的订单").first).to_be_visible()
    assert providers.wechat_pay.get_payment(out_no="order-1").state is PaymentState.PAID


def test_nothing_sticks_out_of_the_window(page: Page, simulated: Simulated, providers: Providers, ear: Ear) -> None:
    open_payment(simulated, providers, ear, description="推" * 42)
    page.goto(simulated.url)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_what_a_person_cannot_do_is_said(page: Page, simulated: Simulated, providers: Providers, ear: Ear) -> None:
    open_payment(simulated, providers, ear)
    page.goto(simulated.url)
    providers.wechat_pay.close_payment(out_no="order-1")
    page.get_by_role("button", name="支付").first.click()
    expect(page.get_by_role("alert")).to_be_visible()
