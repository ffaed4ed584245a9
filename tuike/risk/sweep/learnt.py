"""What was learnt of simulated worlds: what a feature adds to the odds of a hub, and what two of them add together."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Self

import numpy as np

from tuike.risk.sweep import kernels
from tuike.risk.sweep.trade import Column

FILE = "learnt.json"


@dataclass(frozen=True, slots=True)
class Learnt:
    """Weights of the features, and trees that correct their sum.

    A tree asks whether a feature lies above a bar, then another question below and another above; each of its four ends
    adds something to the odds. `asks` (trees × 3) are numbers of features and `bars` theirs: the first question, that
    below, that above. `adds` (trees × 4): below twice, below and above, above and below, above twice.
    """

    bias: float
    weights: Column
    asks: Column
    bars: Column
    adds: Column

    @classmethod
    def read(cls, names: Sequence[str], text: str) -> Self:
        """Read what `write` wrote of the features of these names.

        Raises: KeyError, ValueError when it was learnt of other features.
        """
        found = json.loads(text)
        place = {name: number for number, name in enumerate(names)}
        if set(found["weights"]) != set(names):
            raise ValueError("the features that were learnt are not those that hubs have")
        trees = found["trees"]
        return cls(
            bias=float(found["bias"]),
            weights=np.array([found["weights"][name] for name in names]),
            asks=np.array([[place[name] for name in tree["asks"]] for tree in trees], np.int64).reshape(-1, 3),
            bars=np.array([tree["bars"] for tree in trees], np.float64).reshape(-1, 3),
            adds=np.array([tree["adds"] for tree in trees], np.float64).reshape(-1, 4),
        )

    def write(self, names: Sequence[str]) -> str:
        """Return a text for `read`, with a line for each weight and each tree."""
        weights = ",\n".join(
            f"    {json.dumps(name)}: {weight:.6g}" for name, weight in zip(names, self.weights, strict=True)
        )
        trees = ",\n".join(
            "    " + json.dumps({
                "asks": [names[number] for number in asks],
                "bars": [round(bar, 7) for bar in bars],
                "adds": [round(add, 4) for add in adds],
            })
            for asks, bars, adds in zip(self.asks.tolist(), self.bars.tolist(), self.adds.tolist(), strict=True)
        )  # fmt: skip
        return f'{{\n  "bias": {self.bias:.6g},\n  "weights": {{\n{weights}\n  }},\n  "trees": [\n{trees}\n  ]\n}}\n'

    def weigh(self, features: Column) -> Column:
        """Return the odds (natural logarithms) of hubs × features."""
        columns = np.ascontiguousarray(features.T)
        # A hub's odds are added up alone, in one order, so that they depend on nothing but its features.
        odds = np.full(len(features), self.bias)
        for weight, column in zip(self.weights.tolist(), columns, strict=True):
            if weight:
                odds += weight * column
        kernels.add_trees(columns, self.asks, self.bars, self.adds, odds)
        return odds

    def describe(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what the report of a sweep says of it."""
        weights = dict(zip(names, self.weights.tolist(), strict=True))
        return {"bias": self.bias, "weights": weights, "trees": len(self.adds)}


def read_learnt(names: Sequence[str]) -> Learnt:
    """Return what was learnt of the features of these names, as it is shipped."""
    return Learnt.read(names, resources.files("tuike.risk.sweep").joinpath(FILE).read_text())
