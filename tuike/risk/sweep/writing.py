"""Writes what a sweep found: all files or none."""

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

FILES = ("accounts.csv", "cases.csv", "members.csv", "evidence.csv", "report.json")


def write_results(
    directory: Path, tables: Mapping[str, tuple[Sequence[str], Iterable[Sequence[object]]]], report: dict[str, Any]
) -> None:
    """Write the tables and the report into `directory`, which then holds all of them, or on failure what it held.

    The files are written apart, brought to the disk and moved into place: as one where the directory is new, else one
    after the other with the report last, so that where report.json is, its sweep is whole.
    """
    directory = directory.resolve()
    is_new = not directory.exists()
    parent = directory.parent if is_new else directory
    parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".sweep-", dir=parent))
    try:
        for name, (header, rows) in tables.items():
            with (scratch / name).open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(header)
                writer.writerows(rows)
                _to_disk(file)
        with (scratch / "report.json").open("w", encoding="utf-8") as file:
            json.dump(report, file, ensure_ascii=False, indent=1)
            file.write("\n")
            _to_disk(file)
        _sync(scratch)
        scratch.chmod(0o755)
        if is_new:
            scratch.replace(directory)
        else:
            (directory / "report.json").unlink(missing_ok=True)
            for name in FILES:
                (scratch / name).replace(directory / name)
            _sync(directory)
        _sync(parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
