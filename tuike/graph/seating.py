"""Where promoters sit: the pure arithmetic of team sizes and seats that the writer puts into the graph.

Each promoter counts its team by level: `team` is the exact number of living members 1, 2 and 3 steps below it, `seats`
the number of seats ever given out at that level. A member holds one seat under each of its (up to three) ancestors:
`seat = ancestor's number * SEAT_WIDTH + ordinal`, one integer, so that a page of a team of 60,000 is a few look-ups
by key and needs neither a scan nor a sort. A seat is never given out twice; a member that moves away leaves a gap.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

LEVELS_MAX = 3
"""Levels that exist at all: teams, uplines and commissions end here by law, not by setting."""

SEAT_WIDTH = 2**28
"""Seats one promoter can give out per level (268 million); leaves 2^35 for the promoter's number in a signed 64-bit."""


@dataclass(slots=True)
class Place:
    """A promoter as the writer sees it. `no` is its number (the seq of its journal row)."""

    promoter_id: str
    no: int
    inviter_id: str | None
    team: list[int] = field(default_factory=lambda: [0] * LEVELS_MAX)
    seats: list[int] = field(default_factory=lambda: [0] * LEVELS_MAX)


@dataclass(frozen=True, slots=True)
class Seating:
    """What joins change: the seats of each newcomer, and the promoters whose counters differ now."""

    seats: Mapping[str, list[int | None]]
    changed: Sequence[Place]


@dataclass(frozen=True, slots=True)
class MoveSeating:
    """What a move changes: counters of old and new ancestors, and the first seats for the members that move along.

    `seats` are the moved promoter's own, by level. `below_1` are the bases for its members one step below, for levels 2
    and 3; `below_2` the base for those two steps below, for level 3. A member's seat is the base plus its index from 1;
    None where there is no such ancestor any more.
    """

    seats: list[int | None]
    below_1: tuple[int | None, int | None]
    below_2: int | None
    changed: Sequence[Place]


def list_ancestors(places: Mapping[str, Place], inviter_id: str | None) -> list[Place]:
    """Return the ancestors of somebody invited by `inviter_id`, nearest first, at most three."""
    ancestors: list[Place] = []
    while inviter_id is not None and len(ancestors) < LEVELS_MAX:
        ancestor = places[inviter_id]
        ancestors.append(ancestor)
        inviter_id = ancestor.inviter_id
    return ancestors


def seat_joins(places: dict[str, Place], joins: Iterable[Place]) -> Seating:
    """Seat newcomers one after another; one may sit under another that stands before it.

    `places` holds the present ancestors and is brought up to date, newcomers included.
    """
    seats: dict[str, list[int | None]] = {}
    changed: dict[str, Place] = {}
    for place in joins:
        own: list[int | None] = [None] * LEVELS_MAX
        for level, ancestor in enumerate(list_ancestors(places, place.inviter_id)):
            ancestor.team[level] += 1
            own[level] = _take_seats(ancestor, level, 1) + 1
            changed[ancestor.promoter_id] = ancestor
        places[place.promoter_id] = place
        seats[place.promoter_id] = own
    return Seating(seats=seats, changed=[place for place in changed.values() if place.promoter_id not in seats])


def seat_move(places: Mapping[str, Place], moved: Place, inviter_id: str | None) -> MoveSeating:
    """Take a promoter with everybody below out of its old ancestors' teams and seat it under a new inviter.

    `places` holds both lines of ancestors and `moved`. Only members up to two steps below the moved one have ancestors
    above it within three levels, so deeper ones keep their seats.
    """
    sizes = [1, moved.team[0], moved.team[1]]
    changed: dict[str, Place] = {}
    for level, ancestor in enumerate(list_ancestors(places, moved.inviter_id)):
        changed[ancestor.promoter_id] = ancestor
        for step in range(LEVELS_MAX - level):
            ancestor.team[level + step] -= sizes[step]
    bases: list[list[int | None]] = [[None] * LEVELS_MAX for _ in range(LEVELS_MAX)]
    for level, ancestor in enumerate(list_ancestors(places, inviter_id)):
        changed[ancestor.promoter_id] = ancestor
        for step in range(LEVELS_MAX - level):
            ancestor.team[level + step] += sizes[step]
            bases[step][level + step] = _take_seats(ancestor, level + step, sizes[step])
    moved.inviter_id = inviter_id
    return MoveSeating(
        seats=[None if base is None else base + 1 for base in bases[0]],
        below_1=(bases[1][1], bases[1][2]),
        below_2=bases[2][2],
        changed=list(changed.values()),
    )


def _take_seats(ancestor: Place, level: int, count: int) -> int:
    """Give out `count` seats of an ancestor and return the base before the first of them."""
    base = ancestor.no * SEAT_WIDTH + ancestor.seats[level]
    ancestor.seats[level] += count
    return base
