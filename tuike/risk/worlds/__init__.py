"""Simulated worlds: honest trade of several shapes, documented frauds and confounders in it, and who judges a sweep.

A *world* has a *host* (the honest trade), *rings* (planted frauds) and *groups* (honest confounders). Its *truth* says
who is what. `simulate_world` makes one from a seed, `write_world` writes it as the files that a sweep reads with the
truth beside them, `judge_output` compares a sweep's output with the truth. Nothing here knows the detector.
"""

from tuike.risk.worlds.confounders import CONFOUNDERS
from tuike.risk.worlds.files import write_world
from tuike.risk.worlds.frauds import FRAUDS
from tuike.risk.worlds.hosts import HOSTS
from tuike.risk.worlds.judging import Judgement, Truth, Verdict, add_up, judge, judge_output, read_truth
from tuike.risk.worlds.model import LEVELS, KnobRanges, NotAWorld, Range, Size, UnknownName
from tuike.risk.worlds.simulate import simulate_world
from tuike.risk.worlds.world import World

__all__ = [
    "CONFOUNDERS",
    "FRAUDS",
    "HOSTS",
    "LEVELS",
    "Judgement",
    "KnobRanges",
    "NotAWorld",
    "Range",
    "Size",
    "Truth",
    "UnknownName",
    "Verdict",
    "World",
    "add_up",
    "judge",
    "judge_output",
    "read_truth",
    "simulate_world",
    "write_world",
]
