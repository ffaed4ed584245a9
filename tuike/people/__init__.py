"""One person over all capabilities: becoming a promoter, the export of one's own data, and erasure.

A shopper's id is the `buyer_id` of orders, the user in the graph, and the `external_id` of the promoter the shopper may
become: one person, one node. An *export* holds everything that names the person. An *erasure* takes away what says who
somebody is and leaves the id, a pseudonym, in vouchers, orders and graph; it is refused while money is owed either way.
"""

from tuike.people.model import (
    AlreadyPromoter,
    BannedByCase,
    ErasureBlocked,
    ErasureResult,
    PersonBanned,
    PersonErased,
)
from tuike.people.service import (
    become_promoter,
    change_person_status,
    change_promoter_status,
    erase_person,
    export_person,
    find_promoter_id,
)

__all__ = [
    "AlreadyPromoter",
    "BannedByCase",
    "ErasureBlocked",
    "ErasureResult",
    "PersonBanned",
    "PersonErased",
    "become_promoter",
    "change_person_status",
    "change_promoter_status",
    "erase_person",
    "export_person",
    "find_promoter_id",
]
