"""How near an account stands to the members of a case, by what only few people share. Pure.

Half a random walk: from a person to an identifier and on to one of its other users, `DECAY` of the way each time. What
many people share says nothing, and what a person shares with several members counts more than with one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

DECAY = 0.6
USERS_MAX = 12
"""Past so many persons an identifier is a place, and nobody is near anybody for having been there."""
STEPS_MAX = 2
RAISED_FROM = 0.5
"""From here on an account stands in the case, accused of nothing, and its withdrawals wait for a person."""
SCORE_MIN = 0.1
CLEARED = 0.5
"""Who was found innocent before counts so much."""


def weigh_share(members: float, users: int) -> float:
    """Return how near sharing one identifier brings somebody to `members` of a case among its `users`, from 0 to 1."""
    others = users - 1
    return 0.0 if others < 1 or users > USERS_MAX else DECAY * min(1.0, members / others)


def join_scores(scores: Iterable[float]) -> float:
    """Return what several independent scores come to: the chance that not all of them are wrong."""
    left = 1.0
    for score in scores:
        left *= 1.0 - score
    return round(1.0 - left, 6)


def take_step(strengths: Mapping[str, float], sharers: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Return, by person, how near each identifier brings it: one step on from persons who are so near themselves.

    `sharers` lists by identifier everybody who uses it.
    """
    near: dict[str, dict[str, float]] = defaultdict(dict)
    for key, persons in sharers.items():
        weight = sum(strengths.get(person, 0.0) for person in persons)
        for person in persons:
            if person in strengths:
                continue
            score = weigh_share(weight, len(persons))
            if score > 0.0:
                near[person][key] = score
    return dict(near)
