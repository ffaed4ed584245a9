"""One simulator for all these tests, its state and faults cleared before each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.simulators import Ear, Simulated, start_simulator
from tuike.providers import Providers, WeChatPay


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    with start_simulator(tmp_path_factory.mktemp("simulator"), "--time-factor", "0.01") as simulated:
        yield simulated


@pytest.fixture
def simulator(simulator_process: Simulated) -> Simulated:
    """The simulator, as new."""
    simulator_process.control("reset")
    simulator_process.control("settings", refund_seconds=0.1, time_factor=0.01)
    return simulator_process


@pytest.fixture
def providers(simulator: Simulated) -> Iterator[Providers]:
    """Clients that lead to the simulator and give up soon."""
    made = simulator.make_providers()
    yield made
    made.close()


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.close()


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def openid(simulator: Simulated) -> str:
    return str(simulator.person("lilei")["openid"])


@pytest.fixture
def open_payment(providers: Providers, openid: str, ear: Ear) -> Callable[..., str]:
    """A function that opens a payment and returns its out number."""

    def make(out_no: str = "order-1", amount_minor: int = 12_345, pay: WeChatPay | None = None) -> str:
        (pay or providers.wechat_pay).prepay(
            out_no=out_no, description="两斤苹果 two pounds of apples", amount_minor=amount_minor, openid=openid,
            notify_url=ear.url, expires_at=datetime.now(UTC) + timedelta(minutes=30),
        )  # fmt: skip
        return out_no

    return make


@pytest.fixture
def pay(simulator: Simulated, open_payment: Callable[..., str]) -> Callable[..., str]:
    """A function that opens a payment, has it paid, and returns its out number."""

    def make(out_no: str = "order-1", amount_minor: int = 12_345) -> str:
        open_payment(out_no, amount_minor)
        simulator.control(f"payments/{out_no}/pay")
        return out_no

    return make
