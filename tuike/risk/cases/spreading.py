"""Who stands near the members of a confirmed case, by what only few people share with them.

Looked up from the accused on, two steps at most and never through places that many use: devices and network addresses
in the graph, accounts that pay or are paid, phones, addresses and browsers in the shop's own tables. Those who come out
near are accused of nothing: their orders wait for a person (`near_case`), and the nearest stand in the case as context.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

import structlog

from tuike.db import Transaction
from tuike.graph import Graph
from tuike.risk import nearness
from tuike.risk.cases.model import CaseMember, Evidence, Reach
from tuike.risk.cases.rules import CONFIRMED
from tuike.risk.cases.store import cases as case_store
from tuike.risk.cases.store import evidence as evidence_store
from tuike.risk.cases.store import members as member_store
from tuike.risk.cases.store import reach as reach_store
from tuike.risk.cases.store import sharers
from tuike.risk.checks.model import Actor
from tuike.risk.checks.store import list_identifiers
from tuike.risk.model import Role

log = structlog.get_logger(__name__)

SPREADER = Actor("", "propagation")
_SEEDS_MOST = 5_000
_NEAR_MOST = 1_000
_EDGES_MOST = 2_000
_CHUNK = 500
_SEEN_MOST = 5_000
_PLACE_FROM = nearness.USERS_MAX + 1


def spread_case(tx: Transaction, graph: Graph, *, case_id: str, now: datetime) -> list[Reach]:
    """Look anew who stands near the accused of a confirmed case, and write that down; nobody does near any other.

    Repeating it changes nothing. Raises GraphUnavailable.
    """
    case = case_store.find_case(tx, case_id=case_id, lock=True)
    if case is None:
        return []
    if case.state not in CONFIRMED:
        forget_reach(tx, case_id=case_id)
        return []
    seeds = member_store.list_accused_persons(tx, case_id=case_id, limit=_SEEDS_MOST)
    found = _Walk(tx, graph, seeds, evidence_store.list_seen(tx, case_id=case_id, limit=_SEEN_MOST))
    near = found.walk()
    cleared = member_store.list_cleared(tx, person_ids=sorted(near))
    reach = [
        Reach(*found.account_of(person), nearness.CLEARED * score if person in cleared else score, distance, members)
        for person, (score, distance, members) in near.items()
    ]
    kept = sorted((one for one in reach if one.score >= nearness.SCORE_MIN), key=lambda one: (-one.score, one.key))
    kept = kept[:_NEAR_MOST]
    before = reach_store.list_reach_keys(tx, case_id=case_id)
    reach_store.replace_reach(tx, case_id=case_id, reach=kept)
    reach_store.replace_reach_evidence(
        tx, case_id=case_id, evidence=found.list_evidence({one.key for one in kept}), now=now
    )
    raised = [one for one in kept if one.score >= nearness.RAISED_FROM]
    for one in raised:
        member = CaseMember(*one.key, Role.CONTEXT.value, one.score, accused=False)
        member_store.add_context(tx, case_id=case_id, member=member)
    if {one.key for one in kept} != before:
        case_store.add_event(
            tx, case_id=case_id, actor_id=SPREADER.id, actor_name=SPREADER.name, action="spread", note="",
            detail={"near": len(kept), "raised": len(raised)}, now=now,
        )  # fmt: skip
    log.info("risk.spread", case_id=case_id, near=len(kept), raised=len(raised))
    return kept


def forget_reach(tx: Transaction, *, case_id: str) -> None:
    """Forget who stood near a case that is no longer confirmed."""
    reach_store.replace_reach(tx, case_id=case_id, reach=[])
    reach_store.replace_reach_evidence(tx, case_id=case_id, evidence=[], now=None)


class _Walk:
    """A walk from the accused of a case along what only few people use, in the graph and in the shop's own tables.

    `seen` are the identifiers of the accused that the case keeps, by which they are known also where they left them.
    """

    def __init__(
        self, tx: Transaction, graph: Graph, seeds: Mapping[str, tuple[str, str]], seen: Mapping[str, set[str]]
    ) -> None:
        self._tx = tx
        self._graph = graph
        self._seeds = seeds
        self._seen = seen
        self._promoters: dict[str, str] = {}
        self._sharers: dict[str, list[str]] = {}
        self._looked: set[str] = set()

    def walk(self) -> dict[str, tuple[float, int, int]]:
        """Return, by person, how near it is, in how many steps, and to how many of the persons before it."""
        scores: dict[str, list[float]] = {}
        shape: dict[str, tuple[int, int]] = {}
        strengths = dict.fromkeys(self._seeds, 1.0)
        frontier = dict(strengths)
        for distance in range(1, nearness.STEPS_MAX + 1):
            known = set(self._sharers)
            self._look(sorted(frontier))
            fresh = {key: persons for key, persons in self._sharers.items() if key not in known}
            step = nearness.take_step(strengths, fresh)
            for person, keys in step.items():
                scores.setdefault(person, []).extend(keys.values())
                members = {one for key in keys for one in fresh[key] if one in strengths}
                shape.setdefault(person, (distance, len(members)))
            frontier = {person: nearness.join_scores(keys.values()) for person, keys in step.items()}
            frontier = {person: score for person, score in frontier.items() if score >= nearness.SCORE_MIN}
            strengths |= frontier
        return {person: (nearness.join_scores(sorted(found)), *shape[person]) for person, found in scores.items()}

    def account_of(self, person: str) -> tuple[str, str]:
        """Return a person as the account that a case names."""
        if person in self._seeds:
            return self._seeds[person]
        return ("promoter", self._promoters[person]) if person in self._promoters else ("buyer", person)

    def list_evidence(self, near: set[tuple[str, str]]) -> list[Evidence]:
        """Return what the accused used, by which newcomers are known later, and who near them shares it."""
        edges = []
        for key, persons in self._sharers.items():
            kind, _, digest = key.partition(":")
            accused = sum(person in self._seeds for person in persons)
            for person in persons:
                account = self.account_of(person)
                if person in self._seeds or account in near:
                    weight = round(nearness.weigh_share(accused, len(persons)), 4)
                    edges.append(Evidence(*account, "used", kind, digest, weight))
        return sorted(edges, key=lambda edge: (-edge.weight, edge.to_id, edge.from_id))[:_EDGES_MOST]

    def _look(self, persons: Sequence[str]) -> None:
        keys = set() if self._looked else set(self._seen)
        for chunk in _iter_chunks(persons):
            keys |= {key for used in list_identifiers(self._graph, person_ids=chunk).values() for key in used}
            gone = sharers.list_erased_persons(self._tx, person_ids=chunk)
            keys |= sharers.list_shop_uses(self._tx, person_ids=[one for one in chunk if one not in gone])
        fresh = sorted(keys - self._looked)
        self._looked |= keys
        for chunk in _iter_chunks(fresh):
            self._sharers |= self._list_few(chunk)
        strangers = {person for key in fresh for person in self._sharers.get(key, ())} - set(self._promoters)
        for chunk in _iter_chunks(sorted(strangers)):
            self._promoters |= sharers.list_promoters(self._tx, person_ids=chunk)

    def _list_few(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """Return, by identifier that is no place, everybody who used it."""
        shared = sharers.list_sharers(self._graph, keys=keys, most=_PLACE_FROM)
        places = {key for key, one in shared.items() if len(one.visitors) >= _PLACE_FROM}
        visitors = sorted({visitor for one in shared.values() for visitor in one.visitors})
        buyers = sharers.list_visitors(self._tx, visitor_ids=visitors) if visitors else {}
        found = sharers.list_shop_sharers(self._tx, keys=keys)
        for key, one in shared.items():
            found[key] = {person for person, _ in one.persons}.union(*(buyers.get(each, ()) for each in one.visitors))
        users = {key: found.get(key, set()) | self._seen.get(key, set()) for key in keys if key not in places}
        gone = sharers.list_erased_persons(self._tx, person_ids=sorted(set().union(*users.values())))
        left = {key: sorted(persons - gone) for key, persons in users.items()}
        return {key: persons for key, persons in left.items() if 0 < len(persons) < _PLACE_FROM}


def _iter_chunks(items: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(items)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
