"""Rows of media: what each stored picture and video is."""

from collections.abc import Sequence

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from tuike.db import Transaction


def list_kinds(tx: Transaction, *, names: Sequence[str]) -> dict[str, str]:
    """Return `picture` or `video` by name, for those that exist."""
    rows = tx.execute(
        text("SELECT name, kind FROM media WHERE name = ANY (:names)").bindparams(
            bindparam("names", type_=ARRAY(Text))
        ),
        {"names": list(names)},
    )
    return {row.name: row.kind for row in rows}
