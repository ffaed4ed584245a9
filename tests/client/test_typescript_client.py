"""The TypeScript client: as new as the API, and of use against a running one."""

from pathlib import Path

import pytest

from tests import node
from tests.stacks import Stack

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    node.install()


def test_the_client_is_what_the_api_makes_of_it(tmp_path: Path) -> None:
    fresh = tmp_path / "schema.ts"
    node.generate(into=fresh)
    assert fresh.read_text() == node.SCHEMA.read_text(), "src/schema.ts is stale: run `make client`"


def test_the_client_works_against_a_running_service(stack: Stack) -> None:
    node.run_npm("test", TUIKE_URL=stack.url, TUIKE_KEY=stack.create_key("operator"))
