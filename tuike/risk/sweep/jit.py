"""How kernels are compiled: once, and kept on disk for the next start."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numba
from numba import njit

config: Any = numba.config


def _choose_cache() -> None:
    """Keep compiled kernels beside their source, or where that cannot be written, in a directory of one's own."""
    here = Path(__file__).parent
    beside = here / "__pycache__"
    if config.CACHE_DIR or os.access(beside if beside.exists() else here, os.W_OK):
        return
    own = Path(tempfile.gettempdir()) / f"tuike-kernels-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    found = own.lstat()
    if found.st_uid == os.getuid() and not found.st_mode & 0o077:
        config.CACHE_DIR = str(own)
    else:
        config.CACHE_DIR = tempfile.mkdtemp(prefix="tuike-kernels-")


_choose_cache()
compiled = njit(cache=True, error_model="numpy")
"""Compiles a function over arrays to machine code when it is first called.

Division follows numpy: a check for zero in a loop would keep it from dividing several numbers at once.
"""
