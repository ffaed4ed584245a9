"""What can be refused about a person, and what an erasure says."""

from collections.abc import Mapping
from dataclasses import dataclass

from tuike.shared.errors import Conflict


@dataclass(frozen=True, slots=True)
class ErasureResult:
    """What an erasure took away, and what stays under the pseudonym."""

    user_id: str
    erased: tuple[str, ...]
    kept: tuple[str, ...]


class AlreadyPromoter(Conflict):
    code, message = "already_promoter", "This shopper is a promoter already."


class BannedByCase(Conflict):
    """`fields` names the risk case whose ban stands in the way."""

    code, message = "banned_by_case", "A risk case bans this account; only its release lets the account back in."

    def __init__(self, case_id: str) -> None:
        super().__init__(fields={"case_id": [case_id]})


class PersonBanned(Conflict):
    code, message = "person_banned", "The person is banned from the shop; take that ban back first."


class PersonErased(Conflict):
    code, message = "person_erased", "The person had the account erased; nobody is left whom the promoter belongs to."


class ErasureBlocked(Conflict):
    """Money is owed either way; `fields` says where."""

    code, message = "erasure_blocked", "The account cannot be erased while money is owed either way."

    def __init__(self, reasons: Mapping[str, list[str]]) -> None:
        super().__init__(fields=reasons)
