"""The sweep: ring detection over a whole world, offline on CSV files."""

from tuike.risk.sweep.reading import FILES, read_world
from tuike.risk.sweep.run import Sweep, sweep_files, sweep_world
from tuike.risk.sweep.world import World

__all__ = ["FILES", "Sweep", "World", "read_world", "sweep_files", "sweep_world"]
