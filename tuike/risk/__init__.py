"""Risk: rings of cheats found with their evidence, and simulated worlds to prove it on.

`worlds` makes shops with documented frauds and honest look-alikes, and judges what a detector says of them.
"""

from tuike.risk import worlds

__all__ = ["worlds"]
