"""Nouns of sweeps of the living shop. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuike.shared.errors import Conflict


@dataclass(frozen=True, slots=True)
class SweepRun:
    """A sweep of the living shop: `running`, `done` or `failed`; counts and seconds come with the end.

    `stage` is what it did last, `stage_done` of `stage_total` steps before it, as of `progressed_at`.
    """

    id: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    counts: Mapping[str, Any] | None
    seconds: Mapping[str, Any] | None
    problem: str | None
    stage: str | None = None
    stage_done: int | None = None
    stage_total: int | None = None
    progressed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SweepState:
    """How sweeps stand: the last that ended well, the last failure since, and since when one runs."""

    done_at: datetime | None
    failed_at: datetime | None
    running_since: datetime | None


class SweepRunning(Conflict):
    code, message = "sweep_running", "A sweep is running already."


class SweepEnded(Exception):
    """Whoever runs a sweep ended it before it was done."""
