"""What others would have done: published detectors and plain rules, each run as its source describes it.

Every one takes a `Data` and returns verdicts in the form that the judge of `tuike.risk.worlds` reads. Where a source
gives no threshold, the flags are the top of the scores, as many as there are cheats: kinder than life, where nobody knows
how many there are.
"""

from collections.abc import Callable

from tests.benchmarks.baselines.catchsync import run_catchsync
from tests.benchmarks.baselines.data import Data, read_data
from tests.benchmarks.baselines.fraudar import run_fraudar_goods, run_fraudar_promoters
from tests.benchmarks.baselines.lockstep import run_lockstep
from tests.benchmarks.baselines.plain import run_degree, run_equality, run_identity, run_random
from tests.benchmarks.baselines.verdicts import Verdicts

BASELINES: dict[str, Callable[[Data, int], Verdicts]] = {
    "FRAUDAR goods": run_fraudar_goods,
    "FRAUDAR promoters": run_fraudar_promoters,
    "CatchSync": run_catchsync,
    "lockstep": run_lockstep,
    "shared identity": run_identity,
    "equality rules": run_equality,
    "degree": run_degree,
    "random": run_random,
}

__all__ = ["BASELINES", "Data", "Verdicts", "read_data"]
