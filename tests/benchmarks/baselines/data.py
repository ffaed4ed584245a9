"""A world's input files as arrays of numbers: accounts 0 … promoters first, then buyers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True)
class Data:
    """`accounts` are (kind, id); the columns of orders and identifiers hold their numbers; -1 is unknown."""

    accounts: list[tuple[str, str]]
    promoter_count: int
    order_buyer: np.ndarray
    order_promoter: np.ndarray
    order_sku: np.ndarray
    identifier_account: np.ndarray
    identifier_kind: np.ndarray
    identifier_value: np.ndarray
    same_promoter: np.ndarray
    same_buyer: np.ndarray


def read_data(world: Path) -> Data:
    """Read what the baselines look at; files and columns may be missing."""
    promoters, buyers = _read(world, "promoters.csv", ["promoter_id"]), _read(world, "buyers.csv", ["buyer_id"])
    orders = _read(world, "orders.csv", ["buyer_id", "promoter_id", "sku"])
    touches = _read(world, "touches.csv", ["promoter_id", "buyer_id"])
    same = _read(world, "same_person.csv", ["promoter_id", "buyer_id"])
    seen = _read(world, "identifiers.csv", ["account_kind", "account_id", "kind", "value"])
    is_buyer = (seen["account_kind"] == "buyer").to_numpy()
    p_ids = _unique(promoters["promoter_id"], orders["promoter_id"], touches["promoter_id"], same["promoter_id"],
                    seen["account_id"][~is_buyer])  # fmt: skip
    b_ids = _unique(buyers["buyer_id"], orders["buyer_id"], touches["buyer_id"], same["buyer_id"],
                    seen["account_id"][is_buyer])  # fmt: skip
    p_index, b_index = pd.Index(p_ids), pd.Index(b_ids)
    count = len(p_ids)

    def number(ids: pd.Series, index: pd.Index, offset: int) -> np.ndarray:
        found = index.get_indexer(ids)
        return np.where(found < 0, -1, found + offset)

    account = np.where(is_buyer, number(seen["account_id"], b_index, count), number(seen["account_id"], p_index, 0))
    value = pd.factorize(seen["kind"] + "\0" + seen["value"])[0]
    return Data(
        accounts=[("promoter", i) for i in p_ids] + [("buyer", i) for i in b_ids], promoter_count=count,
        order_buyer=number(orders["buyer_id"], b_index, count), order_promoter=number(orders["promoter_id"], p_index, 0),
        order_sku=pd.factorize(orders["sku"])[0], identifier_account=account,
        identifier_kind=seen["kind"].to_numpy(), identifier_value=value,
        same_promoter=number(same["promoter_id"], p_index, 0), same_buyer=number(same["buyer_id"], b_index, count),
    )  # fmt: skip


def _read(world: Path, file: str, columns: list[str]) -> pd.DataFrame:
    path = world / file
    if not path.exists():
        return pd.DataFrame({column: pd.Series(dtype=str) for column in columns})
    return pd.read_csv(path, usecols=columns, dtype=str, keep_default_na=False)


def _unique(*columns: pd.Series) -> list[str]:
    found = pd.unique(pd.concat(columns))
    return sorted(name for name in found.tolist() if name)
