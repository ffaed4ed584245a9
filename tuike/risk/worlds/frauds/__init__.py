"""The documented frauds, one module each, and those that are held out: not to be tuned on."""

from tuike.risk.worlds.frauds import (
    below_limits,
    cycles,
    device_farm,
    held_out,
    hijacked,
    inviter_chain,
    lockstep,
    mixed,
    payout,
    refund_after,
    relatives,
    slow,
    star,
    touch_stuffing,
)
from tuike.risk.worlds.frauds.plot import Fraud, Plot

FRAUDS: dict[str, Fraud] = {
    module.FRAUD.name: module.FRAUD
    for module in (
        relatives, cycles, star, lockstep, payout, refund_after, device_farm, touch_stuffing, inviter_chain,
        below_limits, hijacked, slow, mixed, *held_out.MODULES,
    )
}  # fmt: skip
"""Every fraud by its name."""

__all__ = ["FRAUDS", "Fraud", "Plot"]
