"""Decisions about cases: what a state allows, and which case a group found again is. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from tuike.risk.cases.model import BlastRadius, CaseAction, CaseMember, CaseState

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
        )  # fmt: skip
    for key, before in known.items():
        if key not in merged and (before.held or before.banned):
            merged[key] = before
    fresh = [member for key, member in merged.items() if member.accused and key not in known]
    return [merged[key] for key in sorted(merged)], fresh
