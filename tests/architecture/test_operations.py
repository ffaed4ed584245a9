"""What an operator reads must be what there is: variables, commands, make targets, queues."""

import re
import sys
from pathlib import Path

import click
import pytest

from tuike.cli import cli
from tuike.config import VARIABLES, Config, read_config
from workers import schedule
from workers.celery_app import create_celery

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def list_commands(command: click.Command, words: tuple[str, ...] = ()) -> list[str]:
    if not isinstance(command, click.Group):
        return [" ".join(words)]
    return [line for name, sub in command.commands.items() for line in list_commands(sub, (*words, name))]


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_every_variable_is_explained(variable: str) -> None:
    assert f"| `{variable}` |" in OPERATIONS


def test_no_variable_is_explained_that_nothing_reads() -> None:
    explained = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", OPERATIONS, re.MULTILINE))
    used = "".join(path.read_text() for name in ("Makefile", ".ci/run") for path in [ROOT / name])
    used += "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    used += "".join(path.read_text() for path in (ROOT / "tuike").rglob("*.py"))
    assert {name for name in explained - set(VARIABLES) if name not in used} == set()


def test_every_setting_has_a_variable() -> None:
    assert set(VARIABLES.values()) == set(Config.__dataclass_fields__)


def test_the_example_environment_names_only_real_variables() -> None:
    named = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named - set(VARIABLES) == {"POSTGRES_PASSWORD"}  # docker compose's own


@pytest.mark.parametrize("command", list_commands(cli))
def test_every_command_is_explained(command: str) -> None:
    assert f"`tuike {command}" in OPERATIONS


@pytest.mark.parametrize("target", re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
def test_every_make_target_is_explained(target: str) -> None:
    assert f"`make {target}`" in OPERATIONS


def test_every_task_on_the_clock_exists_and_has_a_queue_that_the_workers_read() -> None:
    import workers.tasks

    assert workers.tasks.__name__ in sys.modules
    celery = create_celery(read_config({}))
    celery.loader.import_default_modules()
    own = {name for name in workers.tasks.celery.tasks if not name.startswith("celery.")}
    assert set(schedule.BEAT) <= own
    read = {queue.name for queue in celery.conf.task_queues}
    assert read == set(schedule.QUEUES)
    for task in own:
        assert celery.amqp.router.route({}, task)["queue"].name in read


def test_a_tick_that_nobody_took_expires() -> None:
    for entry in schedule.make_beat_schedule().values():
        assert 0 < entry["options"]["expires"] <= max(5, 2 * entry["schedule"])
