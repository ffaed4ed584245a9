"""Several writes in one statement, so that what belongs together costs one round trip, not one each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, TextClause, text

from tuike.db.engine import Transaction


@dataclass(frozen=True, slots=True)
class Write:
    """One INSERT, UPDATE or DELETE whose answer nobody needs.

    `name`, and the names of the parameters, must be unlike those of what is written beside it; writes see the rows as
    they were before all of them.
    """

    name: str
    sql: str
    parameters: Mapping[str, Any]
    types: tuple[BindParameter[Any], ...] = field(default=())


def write_together(tx: Transaction, *writes: Write) -> None:
    """Run writes as one statement: all of them or none."""
    statement = _compose(tuple((one.name, one.sql, one.types) for one in writes))
    tx.execute(statement, {name: value for one in writes for name, value in one.parameters.items()})


@cache
def _compose(parts: tuple[tuple[str, str, tuple[BindParameter[Any], ...]], ...]) -> TextClause:
    *others, (_, last, _) = parts
    head = ", ".join(f"{name} AS ({sql})" for name, sql, _ in others)
    types = [one for _, _, types in parts for one in types]
    return text(f"WITH {head} {last}" if others else last).bindparams(*types)
