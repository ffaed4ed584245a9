"""Decisions about cases: what a state allows, and which case a group found again is. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from tuike.risk.cases.model import BlastRadius, CaseAction, CaseMember, CaseState, FoundCase, Known

SAME_FROM = 0.5
"""Jaccard overlap of the accused from which on two groups are one case."""

_LEADS: Mapping[CaseAction, tuple[frozenset[CaseState], CaseState]] = {
    CaseAction.HOLD: (frozenset({CaseState.OPEN, CaseState.HELD}), CaseState.HELD),
    CaseAction.CONFIRM: (frozenset({CaseState.OPEN, CaseState.HELD, CaseState.CONFIRMED}), CaseState.CONFIRMED),
    CaseAction.BAN: (frozenset({CaseState.OPEN, CaseState.HELD, CaseState.CONFIRMED}), CaseState.BANNED),
    CaseAction.RELEASE: (frozenset({CaseState.HELD, CaseState.CONFIRMED, CaseState.BANNED}), CaseState.OPEN),
    CaseAction.INNOCENT: (
        frozenset({CaseState.OPEN, CaseState.HELD, CaseState.CONFIRMED, CaseState.BANNED}), CaseState.INNOCENT,
    ),
}  # fmt: skip

HOLDS = frozenset({CaseState.HELD, CaseState.CONFIRMED, CaseState.BANNED})
CONFIRMED = frozenset({CaseState.CONFIRMED, CaseState.BANNED})

KNOWN_FROM = 0.8
"""A group is one that was found innocent when so much of it stands in that case."""
_FRESH_MIN = 2
_FRESH_PART = 0.5
_ORDERS_TIMES = 2


def decide_state(state: CaseState, action: CaseAction) -> CaseState | None:
    """Return the state that an action leads to, None where it is not allowed.

    `hold` and `confirm` may be repeated: then they take in members that a sweep has added since.
    """
    allowed, target = _LEADS[action]
    return target if state in allowed else None


def list_allowed(state: CaseState) -> list[str]:
    """Return the actions that a state allows, but for those that every state does."""
    return sorted(action.value for action, (allowed, _) in _LEADS.items() if state in allowed)


def get_accused(members: Iterable[CaseMember]) -> frozenset[tuple[str, str]]:
    """Return the accounts that a case accuses."""
    return frozenset(member.key for member in members if member.accused)


def measure_overlap(one: frozenset[tuple[str, str]], other: frozenset[tuple[str, str]]) -> float:
    """Return the Jaccard overlap of two sets of accounts."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


def find_same(
    accused: frozenset[tuple[str, str]], known: Mapping[str, frozenset[tuple[str, str]]], taken: Iterable[str] = ()
) -> str | None:
    """Return the known case that a group is: the one it overlaps most, from one half on; of equals the oldest."""
    free = set(known) - set(taken)
    overlaps = sorted((-measure_overlap(accused, known[case_id]), case_id) for case_id in free)
    return overlaps[0][1] if overlaps and -overlaps[0][0] >= SAME_FROM else None


def find_cleared(accused: frozenset[tuple[str, str]], innocent: Mapping[str, frozenset[tuple[str, str]]]) -> str | None:
    """Return the case in which a group, or most of it, was found innocent; of several the one that holds most of it."""
    parts = sorted((-len(accused & group), case_id) for case_id, group in innocent.items())
    return parts[0][1] if parts and -parts[0][0] >= KNOWN_FROM * len(accused) else None


def is_materially_new(known: Known, found: FoundCase) -> bool:
    """Tell whether a group that was found innocent shows what the person who said so has not seen.

    More of the same is not new, however long it goes on. New is a pattern of another kind once the orders have doubled,
    or identifiers that several of the accused share: two at least, and half as many as were known.
    """
    fresh = list_shared(found) - known.shared
    if len(fresh) >= _FRESH_MIN and len(fresh) >= _FRESH_PART * len(known.shared):
        return True
    return found.pattern != known.pattern and found.orders_count >= _ORDERS_TIMES * max(known.orders_count, 1)


def list_shared(found: FoundCase) -> frozenset[tuple[str, str]]:
    """Return the identifiers that at least two accused members of a group used."""
    accused = get_accused(found.members)
    users: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for edge in found.evidence:
        if edge.relation == "used" and (edge.from_kind, edge.from_id) in accused:
            users.setdefault((edge.to_kind, edge.to_id), set()).add((edge.from_kind, edge.from_id))
    return frozenset(key for key, people in users.items() if len(people) > 1)


def make_fingerprint(radius: BlastRadius, *, version: int) -> str:
    """Return what stands for a preview: the same as long as a ban would touch the same."""
    document = asdict(radius) | {"version": version, "fingerprint": ""}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]


def merge_members(
    found: Sequence[CaseMember], known: Mapping[tuple[str, str], CaseMember]
) -> tuple[list[CaseMember], list[CaseMember]]:
    """Return the members of a case found again, and those who are new among the accused.

    Who is held or banned stays a member, also where the sweep no longer names it: a person has decided that.
    """
    merged = {}
    for member in found:
        before = known.get(member.key)
        merged[member.key] = CaseMember(
            member.account_kind, member.account_id, member.role, member.score, member.accused,
            held=before.held if before else False, banned=before.banned if before else False,
            locked_out=before.locked_out if before else False,
        )  # fmt: skip
    for key, before in known.items():
        if key not in merged and (before.held or before.banned or before.locked_out):
            merged[key] = before
    fresh = [member for key, member in merged.items() if member.accused and key not in known]
    return [merged[key] for key in sorted(merged)], fresh
