"""Who may import what: the contracts of setup.cfg, and the doors of the capabilities."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[2]
CAPABILITIES = (
    "attribution", "catalog", "checkout", "commission", "graph", "identity", "orders", "people", "providers", "risk",
    "team", "wallet",
)  # fmt: skip
MODULES = sorted(path for root in ("tuike", "api", "workers") for path in (ROOT / root).rglob("*.py"))


def iter_imported(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, and every name it takes from one, dotted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def get_capability(path: Path) -> str | None:
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "tuike" and parts[1] in CAPABILITIES else None


def test_the_contracts_of_setup_cfg_hold(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "setup.cfg"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_capability_is_entered_by_its_door(path: Path) -> None:
    own = get_capability(path)
    modules = {str(module.relative_to(ROOT).with_suffix("")).replace("/", ".") for module in MODULES}
    inner = set()
    for name in set(iter_imported(path)) & modules:
        capability, _, rest = name.removeprefix("tuike.").partition(".")
        if capability in CAPABILITIES and capability != own and rest not in ("", *list_public(capability)):
            inner.add(name)
    assert inner == set()


def list_public(capability: str) -> list[str]:
    """Return what a door hands out; it may hand out a whole module."""
    door: list[str] = importlib.import_module(f"tuike.{capability}").__all__
    return door


def test_only_the_configuration_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
        and isinstance(node.value, ast.Name) and node.value.id == "os"
    }  # fmt: skip
    # The embedded stack hands the environment on to its children.
    assert readers == {"tuike/config.py", "tuike/embedded/processes.py", "tuike/embedded/supervisor.py"}


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        ("tuike.cli", {"sqlalchemy", "neo4j", "networkx", "rich", "httpx"}),
        ("tuike.cli, tuike.db, tuike.identity", {"neo4j", "networkx", "pandas", "tuike.app", "tuike.catalog"}),
        ("tuike.app", {"networkx"}),
    ],
)
def test_a_small_command_does_not_wait_for_what_it_does_not_use(modules: str, absent: set[str]) -> None:
    question = f"import sys, {modules}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", question], cwd=ROOT, capture_output=True, text=True, check=True)
    assert absent & set(answer.stdout.split()) == set()
