"""Nouns of sweeps of the living shop. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuike.shared.errors import Conflict


@dataclass(frozen=True, slots=True)
class SweepRun:
    """A sweep of the living shop: `running`, `done` or `failed`; counts and seconds come with the end."""

    id: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    counts: Mapping[str, Any] | None
    seconds: Mapping[str, Any] | None
    problem: str | None


class SweepRunning(Conflict):
    code, message = "sweep_running", "A sweep is running already."
