"""Public ids: a kind's prefix and a ULID, so that they sort by time and say what they name."""

from ulid import ULID

PREFIXES = {
    "promoter": "prm", "link": "lnk", "touch": "tch", "order": "ord", "withdrawal": "wdr", "binding": "bnd",
    "category": "cat", "brand": "brd", "product": "prd", "sku": "sku", "shelf": "shf", "correction": "stc",
    "import": "imp",
    "api_key": "key", "commission": "com", "shopper": "usr", "session": "ses", "staff": "stf",
    "address": "adr", "coupon": "cpn", "coupon_template": "cpt", "parcel": "pcl", "case": "asc", "refund": "rfd",
    "pickup_point": "pup", "note": "nte",
    "run": "run", "query": "qry", "rule": "rul", "hit": "hit",
    "risk_case": "rcs", "risk_sweep": "rsw", "risk_list_entry": "rle",
    "payment": "pay", "payment_refund": "prf", "payout": "pyt", "reconciliation": "rcn", "difference": "dif",
}  # fmt: skip


def new_id(kind: str) -> str:
    """Return a fresh id such as `ord_01J…`; `kind` is a key of PREFIXES."""
    return f"{PREFIXES[kind]}_{ULID()}"


def is_id(kind: str, text: str) -> bool:
    """Tell whether `text` has the shape of an id of `kind`; it may still name nothing."""
    prefix, _, body = text.partition("_")
    return prefix == PREFIXES[kind] and len(body) == 26 and body.isascii() and body.isalnum()
