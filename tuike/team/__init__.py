"""The team: promoters, who invited whom, and what follows from it.

A *promoter* has at most one living *inviter*; the promoters above are its *upline*, those below its *team*, both up to
three levels. A *binding* holds from `valid_from` to `valid_to`, and what was true at an instant stays answerable. A
*move* binds a promoter with everybody below it under another inviter; there is never a loop, whatever runs at the
same time.
"""

from tuike.graph import apply_lazy, catch_up, check_drift, rebuild
from tuike.team.model import (
    AlreadyBound,
    BindingCycle,
    ExternalIdTaken,
    InviteCodeTaken,
    InviterNotFound,
    Member,
    MovePreview,
    Promoter,
    PromoterNotFound,
    PromoterStatus,
    SelfBinding,
    Upline,
)
from tuike.team.service import (
    change_inviter,
    change_status,
    create_promoter,
    find_by_invite_code,
    find_external_id,
    find_promoter_id,
    find_status_reason,
    get_promoter,
    get_team_sizes,
    is_active_promoter,
    is_promoter,
    list_promoters,
    list_team,
    list_upline,
    list_uplines,
    lock_status,
    preview_move,
)

__all__ = [
    "AlreadyBound",
    "BindingCycle",
    "ExternalIdTaken",
    "InviteCodeTaken",
    "InviterNotFound",
    "Member",
    "MovePreview",
    "Promoter",
    "PromoterNotFound",
    "PromoterStatus",
    "SelfBinding",
    "Upline",
    "apply_lazy",
    "catch_up",
    "change_inviter",
    "change_status",
    "check_drift",
    "create_promoter",
    "find_by_invite_code",
    "find_external_id",
    "find_promoter_id",
    "find_status_reason",
    "get_promoter",
    "get_team_sizes",
    "is_active_promoter",
    "is_promoter",
    "list_promoters",
    "list_team",
    "list_upline",
    "list_uplines",
    "lock_status",
    "preview_move",
    "rebuild",
]
