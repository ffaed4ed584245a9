"""Attribution: share links, touches, and which promoter an order belongs to.

A promoter shares a *link* (code and target); each opening of it is a *touch*; the touch of a re-share follows its
parent, up to the first one: the *share path*. A touch locks its buyer (or visitor) to the link's promoter for
`lock_days`. An order asks once, as of the instant it was placed, and keeps the answer.
"""

from tuike.attribution.model import (
    Attribution,
    Earner,
    Link,
    LinkNotFound,
    PromoterNotActive,
    Step,
    Touch,
    TouchNotFound,
)
from tuike.attribution.service import (
    create_link,
    digest_identifier,
    find_attribution,
    find_claim,
    find_touch,
    forget_identifiers,
    get_link,
    get_share_path,
    record_touch,
)

__all__ = [
    "Attribution",
    "Earner",
    "Link",
    "LinkNotFound",
    "PromoterNotActive",
    "Step",
    "Touch",
    "TouchNotFound",
    "create_link",
    "digest_identifier",
    "find_attribution",
    "find_claim",
    "find_touch",
    "forget_identifiers",
    "get_link",
    "get_share_path",
    "record_touch",
]
