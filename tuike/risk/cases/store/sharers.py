"""Who used which identifiers, as the graph and the tables of the shop have it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from tuike.db import Transaction
from tuike.graph import Graph


@dataclass(frozen=True, slots=True)
class Sharers:
    """Who used an identifier as the graph has it: (person, promoter or None), and browsers without a login."""

    persons: Sequence[tuple[str, str | None]]
    visitors: Sequence[str]


def list_sharers(graph: Graph, *, keys: Sequence[str], most: int) -> dict[str, Sharers]:
    """Return who used each identifier, `most` persons and browsers of them at most; one round trip."""
    return {
        key: Sharers([(person, promoter) for person, promoter in persons], visitors)
        for row in graph.read("risk.list_sharers", keys=list(keys), most=most)
        for key, persons, visitors in row["found"]
    }


# What the shop knows people by and the graph does not. One person pays often: so many rows are looked at for each.
_SHOP_USES = """
    SELECT p.external_id AS person_id, 'payout_account' AS kind, digest_text(w.method || '|' || w.account) AS digest
    FROM withdrawals w JOIN promoters p ON p.id = w.promoter_id WHERE w.account IS NOT NULL
    UNION ALL
    SELECT o.buyer_id, 'payment_account', digest_text(y.provider || '|' || y.payer_id)
    FROM payments y JOIN orders o ON o.id = y.order_id WHERE y.payer_id IS NOT NULL AND y.state = 'succeeded'
    UNION ALL
    SELECT shopper_id, 'phone', digest_text(phone) FROM addresses WHERE phone <> ''
    UNION ALL
    SELECT shopper_id, 'address', digest_text(region || ' ' || detail) FROM addresses WHERE detail <> ''
"""
_BROWSER_USES = """
    SELECT o.buyer_id AS person_id, j.payload->>'kind' AS kind, j.payload->>'digest' AS digest
    FROM orders o JOIN journal j ON j.kind = 'identifier' AND j.subject = o.visitor_id
    WHERE o.visitor_id IS NOT NULL AND j.payload->>'label' = 'Visitor'
"""
_USES_LOOKED_AT = 1_000
_LIST_SHOP_USES = text(
    f"""
    SELECT DISTINCT asked.id AS person_id, uses.kind, uses.digest FROM unnest(:ids) AS asked (id)
    CROSS JOIN LATERAL (
        (SELECT kind, digest FROM ({_SHOP_USES}) own WHERE own.person_id = asked.id LIMIT {_USES_LOOKED_AT})
        UNION ALL
        (SELECT kind, digest FROM ({_BROWSER_USES}) own WHERE own.person_id = asked.id LIMIT {_USES_LOOKED_AT})
    ) uses
    """
).bindparams(bindparam("ids", type_=ARRAY(Text)))
_LIST_SHOP_SHARERS = text(
    f"""
    SELECT DISTINCT asked.kind, asked.digest, uses.person_id FROM unnest(:kinds, :digests) AS asked (kind, digest)
    CROSS JOIN LATERAL (
        SELECT person_id FROM ({_SHOP_USES}) own WHERE own.kind = asked.kind AND own.digest = asked.digest
        LIMIT {_USES_LOOKED_AT}) uses
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)), bindparam("digests", type_=ARRAY(Text)))


def list_shop_uses(tx: Transaction, *, person_ids: Sequence[str]) -> set[str]:
    """Return what persons used beside what the graph knows: accounts, phones, addresses, their browsers."""
    rows = tx.execute(_LIST_SHOP_USES, {"ids": list(person_ids)})
    return {f"{row.kind}:{row.digest}" for row in rows}


def list_shop_sharers(tx: Transaction, *, keys: Sequence[str]) -> dict[str, set[str]]:
    """Return, by account, phone or address, the persons who used it."""
    parts = [key.partition(":") for key in keys]
    rows = tx.execute(
        _LIST_SHOP_SHARERS, {"kinds": [part[0] for part in parts], "digests": [part[2] for part in parts]}
    )
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[f"{row.kind}:{row.digest}"].add(row.person_id)
    return found


def list_visitors(tx: Transaction, *, visitor_ids: Sequence[str]) -> dict[str, set[str]]:
    """Return, by browser without a login, the persons who ordered in it."""
    rows = tx.execute(
        text("SELECT DISTINCT visitor_id, buyer_id FROM orders WHERE visitor_id = ANY (:ids)").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        ),
        {"ids": list(visitor_ids)},
    )
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row.visitor_id].add(row.buyer_id)
    return found


def list_promoters(tx: Transaction, *, person_ids: Sequence[str]) -> dict[str, str]:
    """Return, by person, the promoter it is."""
    rows = tx.execute(
        text("SELECT external_id, id FROM promoters WHERE external_id = ANY (:ids)").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        ),
        {"ids": list(person_ids)},
    )
    return {row.external_id: row.id for row in rows}


def list_erased_persons(tx: Transaction, *, person_ids: Sequence[str]) -> set[str]:
    """Return those persons who had their account erased: nothing is to be known of what they used."""
    rows = tx.execute(
        text("SELECT id FROM shoppers WHERE id = ANY (:ids) AND status = 'erased'").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        ),
        {"ids": list(person_ids)},
    )
    return {row.id for row in rows}
