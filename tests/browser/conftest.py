"""A real browser: the system's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.simulators import Simulated, start_simulator

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
NARROW, WIDE = (360, 740), (1280, 800)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the session; skipped where there is none, unless TUIKE_REQUIRE_BROWSER=1."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        reason = "Pages need Chromium on PATH"
        if os.environ.get("TUIKE_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{reason} (TUIKE_REQUIRE_BROWSER=1 makes it mandatory)", pytrace=False)
        pytest.skip(f"{reason}; TUIKE_REQUIRE_BROWSER=1 turns this into a failure")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(params=[NARROW, WIDE], ids=["narrow", "wide"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page as a telephone and as a screen shows it; what its console complains of is a failure."""
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    with start_simulator(tmp_path_factory.mktemp("simulator"), "--time-factor", "0.01") as running:
        yield running
