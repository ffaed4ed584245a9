"""Frauds of another build, to test what was never tuned on: whoever works on a detector leaves these alone."""

from tuike.risk.worlds.frauds.held_out import barter, relay, rotation, sleepers, splitting, warehouse

MODULES = (barter, warehouse, sleepers, relay, splitting, rotation)

__all__ = ["MODULES"]
