"""What the graph should hold, computed from the journal alone: every promoter with its bindings, team sizes and seats.

Kept in flat arrays (a million promoters take some 400 MB), because a rebuild and a check both need the whole tree at
once.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tuike.db import Transaction
from tuike.graph import journal
from tuike.graph.seating import LEVELS_MAX, SEAT_WIDTH

Progress = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class ClosedBinding:
    """A binding that no longer holds; promoters are places in the forest."""

    inviter: int
    promoter: int
    binding_id: str
    binding_no: int
    valid_from: int
    valid_to: int


class Forest:
    """All promoters of the applied journal, each at a place from 0; `inviter` is the inviter's place or -1."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.user_ids: list[str] = []
        self.statuses: list[str] = []
        self.binding_ids: list[str | None] = []
        self.numbers = array("q")
        self.inviters = array("q")
        self.binding_nos = array("q")
        self.bound_ats = array("q")
        self.closed: list[ClosedBinding] = []
        self.places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def list_ancestors(self, place: int) -> Iterator[int]:
        """Return the places of up to three ancestors, nearest first."""
        for _ in range(LEVELS_MAX):
            place = self.inviters[place]
            if place < 0:
                return
            yield place

    def count_teams(self) -> list[array[int]]:
        """Return the team sizes: one array for each level, by place."""
        sizes = [array("q", bytes(8 * len(self))) for _ in range(LEVELS_MAX)]
        for place in range(len(self)):
            for level, ancestor in enumerate(self.list_ancestors(place)):
                sizes[level][ancestor] += 1
        return sizes

    def give_seats(self) -> list[array[int]]:
        """Return fresh seats without gaps, in the order of bindings: one array for each level, 0 for none."""
        seats = [array("q", bytes(8 * len(self))) for _ in range(LEVELS_MAX)]
        given = [array("q", bytes(8 * len(self))) for _ in range(LEVELS_MAX)]
        for place in sorted(range(len(self)), key=self.binding_nos.__getitem__):
            for level, ancestor in enumerate(self.list_ancestors(place)):
                given[level][ancestor] += 1
                seats[level][place] = self.numbers[ancestor] * SEAT_WIDTH + given[level][ancestor]
        return seats


def read_forest(tx: Transaction, *, total: int, progress: Progress) -> Forest:
    """Replay the applied joins, moves and statuses of the journal, in order."""
    forest = Forest()
    done = 0
    for rows in journal.iter_applied(tx, kinds=["promoter", "binding", "status"]):
        for row in rows:
            payload = row.payload
            if row.kind == "promoter":
                forest.places[row.id] = len(forest)
                forest.ids.append(row.id)
                forest.user_ids.append(payload["external_id"])
                forest.statuses.append(payload["status"])
                forest.binding_ids.append(payload["binding_id"])
                forest.numbers.append(row.seq)
                forest.inviters.append(_place_of(forest, payload["inviter_id"]))
                forest.binding_nos.append(row.seq)
                forest.bound_ats.append(payload["at"])
                continue
            place = forest.places[payload["promoter_id"]]
            if row.kind == "status":
                forest.statuses[place] = payload["status"]
                continue
            if forest.inviters[place] >= 0:
                forest.closed.append(
                    ClosedBinding(
                        inviter=forest.inviters[place],
                        promoter=place,
                        binding_id=forest.binding_ids[place] or "",
                        binding_no=forest.binding_nos[place],
                        valid_from=forest.bound_ats[place],
                        valid_to=payload["at"],
                    )
                )
            forest.inviters[place] = _place_of(forest, payload["inviter_id"])
            forest.binding_ids[place] = row.id
            forest.binding_nos[place] = row.seq
            forest.bound_ats[place] = payload["at"]
        done += len(rows)
        progress("journal", done, total)
    return forest


def _place_of(forest: Forest, promoter_id: str | None) -> int:
    return -1 if promoter_id is None else forest.places[promoter_id]
