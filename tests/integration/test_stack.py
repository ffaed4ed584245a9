"""`tuike up` and the commands beside it, as an operator meets them."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.stacks import Stack, run_tuike, start_stack
from tuike.embedded import find_free_port

PARTS = ("postgres", "graph", "simulator", "api", "worker", "beat")


def get_health(url: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def wait_for(condition: Callable[[], bool], *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def is_healthy(url: str) -> bool:
    try:
        status, body = get_health(url)
    except OSError:
        return False
    return status == 200 and set(body["parts"].values()) == {"up"}


def list_descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_the_ready_line_names_an_address_where_a_request_succeeds(stack: Stack) -> None:
    wait_for(lambda: len(stack.output) == 2, seconds=5)
    assert stack.output == [f"ready {stack.url}", f"simulator {stack.simulator_url}"]
    status, body = get_health(stack.url)
    assert (status, body["parts"]) == (200, {"postgres": "up", "graph": "up", "queue": "up"})


def test_what_leads_to_the_stack_is_readable_by_its_owner_only(stack: Stack) -> None:
    for name in ("stack.json", "secrets.json"):
        assert stat.S_IMODE((stack.directory / name).stat().st_mode) == 0o600


def test_no_password_stands_in_any_command_line(stack: Stack) -> None:
    password = json.loads((stack.directory / "secrets.json").read_text())["graph_password"]
    lines = [" ".join(process.cmdline()) for process in list_descendants(stack.process.pid)]
    assert len(lines) >= len(PARTS)
    assert not any(password in line for line in lines)


def test_a_second_up_on_the_same_directory_is_refused_and_says_who_is_there(stack: Stack) -> None:
    done = run_tuike("up", directory=stack.directory, check=False)
    assert done.returncode == 1
    assert f"pid {stack.process.pid}, {stack.url}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert is_healthy(stack.url)


def test_commands_beside_a_running_stack_use_its_servers_and_leave_them_running(stack: Stack) -> None:
    before = stack.read_note()["parts"]
    assert stack.create_key("operator").startswith("tk_")
    checked = run_tuike("ledger", "check", directory=stack.directory)
    assert json.loads(checked.stdout)["ok"] is True
    assert set(json.loads(run_tuike("graph", "rebuild", directory=stack.directory).stdout)) == {"rebuilt"}
    drift = run_tuike("graph", "check", directory=stack.directory)
    assert json.loads(drift.stdout)["drift"] == 0
    released = run_tuike("commission", "release", "--now", "2026-01-01T00:00:00+08:00", directory=stack.directory)
    assert json.loads(released.stdout) == {"released": 0, "released_minor": 0}
    assert stack.read_note()["parts"] == before
    assert is_healthy(stack.url)


def test_the_stand_ins_answer_and_every_part_is_led_to_them(stack: Stack) -> None:
    with urllib.request.urlopen(f"{stack.simulator_url}/_control/health", timeout=10) as answer:
        settings = json.load(answer)["settings"]
    assert {name: stack.read_note()["settings"].get(name) for name in settings} == settings
    for name in ("settings.json", "keys.json", "merchant_private_key.pem"):
        assert stat.S_IMODE((stack.directory / "simulator" / name).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("words", "environ"), [(("--no-simulator",), {}), ((), {"TUIKE_ALIPAY_APP_ID": "2021000000000000"})]
)
def test_no_stand_ins_run_where_they_are_not_wanted_or_a_real_provider_is_configured(
    tmp_path: Path, make_stack: Callable[..., Stack], words: tuple[str, ...], environ: dict[str, str]
) -> None:
    stack = make_stack(tmp_path / "data", words=words, environ=environ)
    note = stack.read_note()
    assert "simulator" not in note["parts"]
    assert not any(name.startswith("TUIKE_WECHAT") for name in note["settings"])
    assert is_healthy(stack.url)
    assert stack.output == [f"ready {stack.url}"]


def test_a_part_that_is_killed_is_started_again_and_logged(tmp_path: Path, make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(tmp_path / "data")
    for part in PARTS:
        killed = stack.read_note()["parts"][part]
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda part=part, killed=killed: stack.read_note()["parts"][part] != killed, seconds=90)
        wait_for(lambda: is_healthy(stack.url), seconds=90)
        died, restarted = stack.list_events("part.died")[-1], stack.list_events("part.restarted")[-1]
        assert (died["part"], died["pid"], died["status"]) == (part, killed, -signal.SIGKILL)
        assert (restarted["part"], restarted["pid"]) == (part, stack.read_note()["parts"][part])
    assert stack.create_key("operator").startswith("tk_")


def test_sigterm_stops_every_child_and_leaves_the_directory_reusable(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with start_stack(directory) as stack:
        key = stack.create_key("operator")
        children = list_descendants(stack.process.pid)
        assert stack.stop() == 0
        assert [child for child in children if child.is_running()] == []
        assert not (directory / "stack.json").exists()
    with start_stack(directory) as stack:
        request = urllib.request.Request(
            f"{stack.url}/api/v1/plans/default", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


def test_a_killed_supervisor_leaves_nothing_that_blocks_the_next_start(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with start_stack(directory) as stack:
        children = list_descendants(stack.process.pid)
        stack.process.kill()
        stack.process.wait(10)
    with start_stack(directory) as stack:
        assert is_healthy(stack.url)
        assert [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []


def test_a_taken_port_makes_way_for_the_next_free_one(tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", find_free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        with start_stack(tmp_path / "data", port=port) as stack:
            assert int(stack.url.rsplit(":", 1)[1]) > port
            assert any(f"Port {port} is taken" in line for line in stack.errors)


def test_commands_without_a_running_stack_use_the_directory_and_stop_its_servers(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    assert run_tuike("key", "create", "--name", "n", "--scope", "auditor", directory=directory).stdout.startswith("tk_")
    assert json.loads(run_tuike("ledger", "check", directory=directory).stdout)["ok"] is True
    left = [p for p in psutil.process_iter(["cmdline"]) if str(directory) in " ".join(p.info["cmdline"] or [])]
    assert left == []


@pytest.mark.parametrize(
    "words",
    [
        ("commission", "release", "--now", "yesterday"),
        ("commission", "release", "--now", "2026-01-01T00:00:00"),
        ("key", "create", "--name", "n", "--scope", "king"),
        ("ledger", "burn"),
    ],
)
def test_a_command_that_cannot_be_understood_says_so_in_one_line(words: tuple[str, ...]) -> None:
    done = run_tuike(*words, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [(), ("up",), ("key",), ("key", "create"), ("commission", "release"), ("graph", "rebuild"), ("graph", "check"),
     ("ledger", "check"), ("db", "migrate")],
)  # fmt: skip
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "tuike.cli", *words, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert done.stdout.startswith("Usage: tuike")
