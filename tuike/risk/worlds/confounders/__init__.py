"""The documented confounders: honest people who look like a ring to a careless detector."""

from tuike.risk.worlds.confounders import crowds, customers, homes, networks
from tuike.risk.worlds.confounders.crowd import Confounder

CONFOUNDERS: dict[str, Confounder] = {
    confounder.name: confounder
    for module in (homes, networks, crowds, customers)
    for confounder in module.CONFOUNDERS
}  # fmt: skip
"""Every confounder by its name."""

__all__ = ["CONFOUNDERS", "Confounder"]
