"""Migrations are one line without gaps or twins: each follows the one before it."""

import re
from pathlib import Path

VERSIONS = Path(__file__).resolve().parents[2] / "tuike" / "db" / "migrations" / "versions"


def test_each_migration_follows_the_one_before_it() -> None:
    steps = []
    for path in sorted(VERSIONS.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        named = dict(re.findall(r'^(revision|down_revision) = "?([0-9]{4}|None)"?$', source, flags=re.MULTILINE))
        steps.append((path.name[:4], named["revision"], named["down_revision"]))
    numbers = [f"{number:04}" for number in range(1, len(steps) + 1)]
    assert steps == list(zip(numbers, numbers, ["None", *numbers[:-1]], strict=True))


def test_every_script_belongs_to_a_migration() -> None:
    numbers = {path.name[:4] for path in VERSIONS.glob("*.py")}
    assert {path.name[:4] for path in VERSIONS.glob("*.sql")} == numbers
