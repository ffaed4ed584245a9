"""Numbers that look random but always belong to the same thing: a person's device, a home's street."""

import numpy as np

from tuike.risk.worlds.model import Floats, Ints

_M1, _M2, _GAMMA = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), 0x9E3779B97F4A7C15


def mix(values: Ints, salt: int) -> "np.typing.NDArray[np.uint64]":
    """Return 64 well mixed bits for each value: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    bits = values.astype(np.uint64) + np.uint64(salt * _GAMMA % (1 << 64))
    bits = (bits ^ (bits >> np.uint64(30))) * _M1
    bits = (bits ^ (bits >> np.uint64(27))) * _M2
    mixed: np.typing.NDArray[np.uint64] = bits ^ (bits >> np.uint64(31))
    return mixed


def hash_shares(values: Ints, salt: int) -> Floats:
    """Return a share in [0, 1) for each value."""
    shares: Floats = (mix(values, salt) >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return shares


def hash_ints(values: Ints, salt: int, below: int) -> Ints:
    """Return an integer in [0, below) for each value."""
    return (mix(values, salt) % np.uint64(below)).astype(np.int64)
