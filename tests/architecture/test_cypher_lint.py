"""Neo4j's own offline linter on every `.cypher` file, with the schema's labels, relations and properties."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tuike.graph.library import CYPHER_DIR

TOOL = Path(__file__).with_name("cypher_lint")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lint() -> Callable[[Path], list[str]]:
    """A function that lints a directory of `.cypher` files; skipped where Node or the package cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("the Cypher linter needs node and npm on PATH")
    lock = (TOOL / "package-lock.json").read_bytes()
    modules = ROOT / "build" / "cypher_lint" / hashlib.sha256(lock).hexdigest()[:16]
    if not (modules / "complete").exists():
        modules.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(TOOL / name, modules / name)
        done = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=modules, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip("npm could not fetch the Cypher linter")
        (modules / "complete").touch()

    def run(directory: Path) -> list[str]:
        command = [node, str(TOOL / "lint.cjs"), str(directory), str(modules)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
        findings: list[str] = json.loads(done.stdout)
        return findings

    return run


def test_the_linter_finds_nothing(lint: Callable[[Path], list[str]]) -> None:
    assert lint(CYPHER_DIR) == []


def test_the_linter_would_find_misspelt_words_and_broken_syntax(
    lint: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    shutil.copy(CYPHER_DIR / "schema.json", tmp_path)
    (tmp_path / "team").mkdir()
    good = (CYPHER_DIR / "team" / "get_sizes.cypher").read_text(encoding="utf-8")
    for name, old, new in (
        ("label", ":User", ":Usr"),
        ("property", "promoter.team_1", "promoter.taem_1"),
        ("syntax", "RETURN", "RETRUN"),
    ):
        assert old in good
        (tmp_path / "team" / f"{name}.cypher").write_text(good.replace(old, new), encoding="utf-8")
    findings = lint(tmp_path)
    assert {finding.split(".cypher")[0] for finding in findings} == {"team/label", "team/property", "team/syntax"}
