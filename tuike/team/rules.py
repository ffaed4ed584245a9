"""Decisions about bindings: values in, a decision out."""

from collections.abc import Collection
from dataclasses import dataclass

from tuike.shared.errors import TuikeError
from tuike.team.model import AlreadyBound, BindingCycle, SelfBinding


@dataclass(frozen=True, slots=True)
class MoveDecision:
    """`refusal` says why a move may not happen; `is_change` is False when the promoter already stands there."""

    is_change: bool
    refusal: TuikeError | None = None


def decide_move(
    *, promoter_id: str, inviter_id: str | None, present_inviter_id: str | None, above: Collection[str], force: bool
) -> MoveDecision:
    """Decide whether a promoter may be bound below `inviter_id` (None: below nobody).

    `above` are the new inviter and everybody above it, up to the top. The same inviter again is no change; another one
    needs `force`; a loop is refused whatever `force` says. Source: contract.md, exact reading 19; domain.md,
    relations 1.
    """
    if inviter_id == promoter_id:
        return MoveDecision(is_change=False, refusal=SelfBinding())
    if inviter_id == present_inviter_id:
        return MoveDecision(is_change=False)
    if present_inviter_id is not None and not force:
        return MoveDecision(is_change=False, refusal=AlreadyBound())
    if promoter_id in above:
        return MoveDecision(is_change=False, refusal=BindingCycle())
    return MoveDecision(is_change=True)


def decide_valid_from(*, now_micros: int, present_since: int) -> int:
    """Return since when a new binding holds: now, but always after the one before it began."""
    return max(now_micros, present_since + 1)
