"""Risk: rings of promoters and buyers who earn commission on trade that is none, found with what proves it.

A *world* is everything known of accounts, orders, touches and identifiers. An *account* is a promoter or a buyer; a
*person* may have one of each. A *hub* is a promoter, or a few that belong together, with everybody who bought through
them; a *case* is a group of accounts accused together, with its *evidence*.

Invariants: nothing depends on the order of rows or the spelling of ids; one set of settings serves every world; shared
identifiers alone accuse nobody; nothing is written unless every input row was proved. `worlds` makes shops with
documented frauds and honest look-alikes, and judges what a detector says of them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuike.risk import worlds
from tuike.risk.model import Case, Family, InputFault, Member, Role, Settings

__all__ = ["Case", "Family", "InputFault", "Member", "PartMissing", "Role", "Settings", "sweep_files", "worlds"]


class PartMissing(RuntimeError):
    """The libraries that a sweep needs are not installed."""


def sweep_files(
    source: Path,
    target: Path,
    *,
    settings: Settings | None = None,
    progress: Callable[[str, int, int | None], None] = lambda *_: None,
) -> dict[str, Any]:
    """Sweep the CSV files in `source` for rings and write what is found into `target`; return the report.

    Raises:
        InputFault: a file cannot be used; names file, line and column. Nothing is computed or written then.
        FileNotFoundError: there is no such directory, or none of the files in it.
        PartMissing: the `risk` extra is not installed.
    """
    try:
        from tuike.risk import sweep
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tuike"):
            raise
        raise PartMissing(f"A sweep needs {error.name}: pip install 'tuike[risk]'.") from error
    return sweep.sweep_files(source, target, settings=settings, progress=progress)
