"""Nouns of simulated worlds: sizes, knobs, rings, groups, and what can be asked for wrongly."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

UNKNOWN = -1
"""Stands for an empty field in every column of integers: no promoter, no instant, no parent."""

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR

IDENTIFIER_KINDS = ("device", "ip", "phone", "address", "payment_account", "payout_account")


class UnknownName(ValueError):
    """A fraud, confounder or host that is not documented was asked for."""


class NotAWorld(ValueError):
    """A directory lacks the files of a world or of a sweep's output."""


class Size(StrEnum):
    """How large a world is: about 60 thousand, 300 thousand, 1.2 million and 12 million rows."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    HUGE = "huge"


BUYERS_COUNT = {Size.SMALL: 4_000, Size.MEDIUM: 20_000, Size.LARGE: 80_000, Size.HUGE: 800_000}


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a knob; every ring draws its own value, evenly between them (or evenly in the logarithm)."""

    low: float
    high: float
    is_log: bool = False

    def draw(self, rng: np.random.Generator) -> float:
        """Return one value within the bounds."""
        if self.is_log:
            return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True, slots=True)
class Knobs:
    """How a ring behaves.

    `density`: which part of the possible dealings inside the ring happens (0–1). `camouflage`: innocent orders for each
    dishonest one. `spread_hours`: over how long what is synchronised is spread. `overlap`: how likely an account uses
    an identifier of the ring rather than one of its own.
    """

    density: float
    camouflage: float
    spread_hours: float
    overlap: float


@dataclass(frozen=True, slots=True)
class KnobRanges:
    """The bounds that the knobs of the rings of a world are drawn from."""

    density: Range = Range(0.35, 0.95)
    camouflage: Range = Range(0.0, 1.0)
    spread_hours: Range = Range(0.2, 24 * 28, is_log=True)
    overlap: Range = Range(0.2, 0.9)

    def draw(self, rng: np.random.Generator) -> Knobs:
        """Return the knobs of one ring."""
        return Knobs(
            self.density.draw(rng), self.camouflage.draw(rng), self.spread_hours.draw(rng), self.overlap.draw(rng)
        )


LEVELS = {
    "easy": KnobRanges(Range(0.7, 1.0), Range(0.0, 0.3), Range(0.1, 24.0, is_log=True), Range(0.7, 1.0)),
    "usual": KnobRanges(),
    "hard": KnobRanges(Range(0.12, 0.4), Range(1.0, 3.0), Range(24.0, 24 * 45, is_log=True), Range(0.0, 0.3)),
}
"""Named bounds. At `hard` some rings hide so well that nobody could prove them: it shows where sight ends."""


@dataclass(frozen=True, slots=True)
class Ring:
    """A planted fraud: who takes part, in which role, and which orders it lives on.

    `hijacked` are those of the buyers whose accounts were taken over. `victims` are buyers whose orders the ring
    abuses; they did nothing themselves.
    """

    id: str
    fraud: str
    promoters: tuple[int, ...]
    buyers: tuple[int, ...]
    victims: tuple[int, ...]
    leaders: frozenset[int]
    hijacked: frozenset[int]
    orders: Ints
    knobs: Knobs


@dataclass(frozen=True, slots=True)
class Group:
    """Honest accounts that look like a ring to a careless detector."""

    id: str
    confounder: str
    promoters: tuple[int, ...]
    buyers: tuple[int, ...]
