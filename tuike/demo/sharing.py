"""Simulated sharing: who opened whose link, and who passed it on. Pure; the same seed makes the same touches.

The shapes are those of real share cascades: how deep touches lie (DEPTH_SHARES, the longest path 57 steps) and how
unevenly people are followed (five of six sharers by nobody, a few by very many).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random

from tuike.demo.data import Basket
from tuike.demo.people import Person

DEPTH_SHARES = (0.616, 0.226, 0.076, 0.035, 0.018, 0.010, 0.019)
"""Shares of touches at depth 0, 1, … 5, and 6 or more."""
DEPTH_MAX = 57
FOLLOWED_SHARE = 1 - 0.837
"""How many of all sharers have a follower."""
SHARED_DEVICES = 0.053
"""How many of all devices more than one person uses, nearly always innocently."""

_BOUGHT = 0.6
_ANONYMOUS = 0.25
_BROWSED = 0.9
_DEEP = 6
_RECENT = 200
_SELF = 0.02


@dataclass(frozen=True, slots=True)
class Link:
    """A share link to be: `owner` is an index of people; `target_id` is empty for the shop itself."""

    owner: int
    target_type: str
    target_id: str | None
    channel: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Opening:
    """Somebody opened something: a buyer, or an anonymous visitor; `basket` is the index of what was bought next."""

    at: datetime
    buyer_id: str | None
    visitor_id: str | None
    basket: int | None = None

    @property
    def who(self) -> str:
        return self.buyer_id or self.visitor_id or ""


@dataclass(frozen=True, slots=True)
class Touch:
    """An opening of a link (an index of links) that followed an earlier touch (an index of touches) or none."""

    opening: Opening
    link: int
    parent: int | None
    depth: int


def make_links(random: Random, people: Sequence[Person], *, products: Sequence[str]) -> list[Link]:
    """Return one to three links for every promoter, mostly to products."""
    links = []
    for owner, person in enumerate(people):
        for number in range(random.choices((1, 2, 3), (5, 3, 2))[0]):
            kind = random.choices(("product", "page", "shop"), (7, 2, 1))[0]
            target = {
                "product": random.choice(products),
                "page": random.choice(("new-year", "fresh", "baby")),
                "shop": None,
            }
            channel = random.choice(("wechat", "moments", "poster", "group"))
            links.append(Link(owner, kind, target[kind], channel, person.joined_at + timedelta(minutes=30 + number)))
    return links


def make_openings(random: Random, baskets: Sequence[Basket]) -> list[Opening]:
    """Return openings in the order of time: some that led to a basket minutes to days later, and some that did not."""
    openings: list[Opening] = []
    for index, basket in enumerate(baskets):
        if random.random() >= _BOUGHT:
            continue
        before = timedelta(minutes=min(random.lognormvariate(4.5, 2.0), 40 * 24 * 60) + 1)
        if random.random() < _ANONYMOUS:
            openings.append(Opening(basket.placed_at - before, None, f"visitor-{index:06d}", index))
        else:
            openings.append(Opening(basket.placed_at - before, basket.buyer_id, None, index))
    first, last = baskets[0].placed_at, baskets[-1].placed_at
    for number in range(round(len(baskets) * _BROWSED)):
        at = first + (last - first) * random.random()
        if random.random() < _ANONYMOUS:
            openings.append(Opening(at, None, f"guest-{number:06d}"))
        else:
            openings.append(Opening(at, random.choice(baskets).buyer_id, None))
    return sorted(openings, key=lambda opening: (opening.at, opening.who))


def make_devices(random: Random, openings: Sequence[Opening]) -> dict[str, str]:
    """Return everybody's device; as many as in real life are used by two people."""
    people = sorted({opening.who for opening in openings})
    devices = {who: f"device-of-{who}" for who in people}
    # Of n people p pairs leave n - p devices, p of them shared.
    pairs = round(len(people) * SHARED_DEVICES / (1 + SHARED_DEVICES))
    paired = random.sample(people, 2 * pairs)
    for first, second in zip(paired[::2], paired[1::2], strict=True):
        devices[second] = devices[first]
    return devices


def make_depths(random: Random, count: int) -> list[int]:
    """Return a depth for each of `count` touches in the order of time, in the shares of real cascades.

    Deep ones come in rising order, as one long path grows step by step.
    """
    counts = [round(count * share) for share in DEPTH_SHARES[1:_DEEP]]
    tail = round(count * DEPTH_SHARES[_DEEP])
    deepest = min(DEPTH_MAX, _DEEP + max(0, tail - 2))
    deep = list(range(_DEEP, deepest + 1))[:tail]
    while len(deep) < tail:
        deep.append(min(deepest, _DEEP + int(random.expovariate(0.45))))
    shallow = [depth for depth, number in enumerate(counts, start=1) for _ in range(number)]
    shallow = [0] * (count - len(shallow) - len(deep)) + shallow
    random.shuffle(shallow)
    deep.sort()
    # Where the deep ones fall in time; not before a path could have grown that far.
    places = sorted(random.sample(range(count // 50, count), len(deep))) if deep else []
    depths = [-1] * count
    for place, depth in zip(places, deep, strict=True):
        depths[place] = depth
    rest = iter(shallow)
    return [depth if depth >= 0 else next(rest) for depth in depths]


def make_touches(
    random: Random, *, people: Sequence[Person], links: Sequence[Link], openings: Sequence[Opening]
) -> list[Touch]:
    """Let every opening be of some promoter's link, fresh or passed on; return touches in the order of the openings.

    Whoever is a promoter passes on a link of its own, others pass on what they opened. Who is followed is drawn by a
    Yule–Simon process: a newcomer with the chance that real sharers have, else whoever is followed already.
    """
    forest = _Forest(random, people, links)
    for opening, depth in zip(openings, make_depths(random, len(openings)), strict=True):
        forest.grow(opening, depth)
    return forest.touches


class _Forest:
    """The cascades as they grow."""

    def __init__(self, random: Random, people: Sequence[Person], links: Sequence[Link]) -> None:
        self.touches: list[Touch] = []
        self._random = random
        self._links = links
        self._own: dict[str, list[int]] = {}
        for number, link in enumerate(links):
            self._own.setdefault(people[link.owner].external_id, []).append(number)
        # Popularity of promoters follows Zipf's law over a random order.
        order = random.sample(range(len(links)), len(links))
        self._popular = order
        self._weights = list(accumulate(1 / rank**0.85 for rank in range(1, len(order) + 1)))
        self._fresh: list[list[int]] = [[] for _ in range(DEPTH_MAX + 1)]
        self._edges: list[list[int]] = [[] for _ in range(DEPTH_MAX + 1)]
        self._newcomer = FOLLOWED_SHARE / (1 - DEPTH_SHARES[0])

    def grow(self, opening: Opening, depth: int) -> None:
        parent = self._choose_parent(opening, depth) if depth else None
        link = self._choose_link(opening) if parent is None else self._pass_on(parent)
        actual = 0 if parent is None else self.touches[parent].depth + 1
        self._fresh[actual].append(len(self.touches))
        self.touches.append(Touch(opening, link, parent, actual))

    def _choose_parent(self, opening: Opening, depth: int) -> int | None:
        above = min(depth, DEPTH_MAX) - 1
        while above >= 0 and not (self._fresh[above] or self._edges[above]):
            above -= 1
        if above < 0:
            return None
        for _ in range(4):
            parent = self._draw(above)
            if self.touches[parent].opening.who != opening.who:
                if self._fresh[above] and parent in self._fresh[above][-_RECENT:]:
                    self._fresh[above].remove(parent)
                self._edges[above].append(parent)
                return parent
        return None

    def _draw(self, above: int) -> int:
        fresh, edges = self._fresh[above], self._edges[above]
        if fresh and (not edges or above >= _DEEP or self._random.random() < self._newcomer):
            return self._random.choice(fresh[-_RECENT:])
        return self._random.choice(edges)

    def _choose_link(self, opening: Opening) -> int:
        own = self._own.get(opening.who)
        if own and self._random.random() < _SELF:
            return self._random.choice(own)
        for _ in range(4):
            place = bisect_right(self._weights, self._random.random() * self._weights[-1])
            link = self._popular[min(place, len(self._popular) - 1)]
            if not own or link not in own:
                break
        return link

    def _pass_on(self, parent: int) -> int:
        touch = self.touches[parent]
        own = self._own.get(touch.opening.who)
        return self._random.choice(own) if own else touch.link
