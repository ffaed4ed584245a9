"""Identifiers of honest people: devices, addresses of the network and of the post, phones, cards, payout accounts."""

import numpy as np

from tuike.risk.worlds.hashing import hash_ints, hash_shares
from tuike.risk.worlds.model import DAY, Bools, Ints
from tuike.risk.worlds.world import World

ROOMS = 4096
"""An address is a building times this plus a room; room 0 names the building alone."""

_SLOTS = 8
_LEASE_DAYS = 45
_NAT_BASE = 40_000_000
_HOMES_PER_BUILDING = 14
_COUPLES = 0.015
"""How many promoters are paid to somebody else: a spouse, a parent."""


def equip_hosts(world: World) -> None:
    """Give every account made so far its identifiers."""
    equip_buyers(world, np.arange(world.buyers.count))
    equip_promoters(world, np.arange(world.promoters.count))


def equip_buyers(world: World, accounts: Ints, *, skip: tuple[str, ...] = ()) -> None:
    """Give buyers ordinary identifiers of their own, of every kind but `skip`, some shared within the household."""
    if not len(accounts):
        return
    rng, host, buyers = world.rng, world.host, world.buyers
    person, home, city = buyers["person"][accounts], buyers["home"][accounts], buyers["city"][accounts]
    first = np.maximum(buyers["registered_at"][accounts], world.start - 300 * DAY)
    at_home = home != person

    def show(kind: str, which: Bools, values: Ints, seen_at: Ints) -> None:
        if kind in skip:
            return
        which = which & (hash_shares(person, 31 + len(kind)) < host.get_coverage(kind))
        world.see(kind, is_buyer=True, accounts=accounts[which], values=values[which], seen_at=seen_at[which])

    everybody = np.ones(len(accounts), np.bool_)
    later = _pick_later(world, first)
    show("device", everybody, person * _SLOTS, first)
    show("device", rng.random(len(accounts)) < 0.3, person * _SLOTS + 1, later)
    show("device", at_home & (rng.random(len(accounts)) < host.device_shared * 5), home * _SLOTS, later)
    show("phone", everybody, np.where(at_home & (rng.random(len(accounts)) < 0.02), home, person) * _SLOTS, first)
    lives = find_address(world, home)
    show("address", everybody, lives, _pick_later(world, first))
    show("address", rng.random(len(accounts)) < 0.16, find_address(world, person + 500_000_000), later)
    show("payment_account", everybody, person * _SLOTS, _pick_later(world, first))
    show("payment_account", rng.random(len(accounts)) < 0.22, person * _SLOTS + 1, later)
    show("payment_account", at_home & (rng.random(len(accounts)) < host.card_shared * 5), home * _SLOTS, later)
    if "ip" not in skip:
        _show_ips(world, accounts, is_buyer=True, person=person, home=home, city=city, since=first)


def equip_promoters(world: World, accounts: Ints, *, skip: tuple[str, ...] = ()) -> None:
    """Give promoters ordinary identifiers; who is a buyer too has that buyer's device, phone and home."""
    if not len(accounts):
        return
    rng, host, promoters = world.rng, world.host, world.promoters
    person, city = promoters["person"][accounts], promoters["city"][accounts]
    home = find_homes(world, person)
    first = promoters["joined_at"][accounts]

    def show(kind: str, which: Bools, values: Ints, seen_at: Ints) -> None:
        if kind in skip:
            return
        which = which & (hash_shares(person, 31 + len(kind)) < host.get_coverage(kind))
        world.see(kind, is_buyer=False, accounts=accounts[which], values=values[which], seen_at=seen_at[which])

    everybody = np.ones(len(accounts), np.bool_)
    show("device", everybody, person * _SLOTS, first)
    show("phone", everybody, person * _SLOTS, first)
    show("address", rng.random(len(accounts)) < 0.2, find_address(world, home), _pick_later(world, first))
    theirs = np.where((home != person) & (rng.random(len(accounts)) < 0.1), home, person)
    married = rng.random(len(accounts)) < _COUPLES
    theirs = np.where(married, np.roll(person, 1), theirs)
    payout = theirs * _SLOTS
    show("payout_account", rng.random(len(accounts)) < 0.65, payout, _pick_later(world, first))
    if "ip" not in skip:
        _show_ips(world, accounts, is_buyer=False, person=person, home=home, city=city, since=first)


def find_homes(world: World, person: Ints) -> Ints:
    """Return the household of each person; who is no buyer lives alone."""
    known = np.arange(world.person_count)
    known[world.buyers["person"]] = world.buyers["home"]
    return known[person]


def find_address(world: World, home: Ints) -> Ints:
    """Return a home's address: its building holds other homes too."""
    buildings = max(50, world.buyers.count // _HOMES_PER_BUILDING)
    return hash_ints(home, 37, buildings) * ROOMS + 1 + hash_ints(home, 41, ROOMS - 1)


def find_home_ips(world: World, home: Ints, at: Ints) -> Ints:
    """Return the network address of each home at an instant: leases end, and somebody else gets the number."""
    pool = max(100, int(world.buyers.count * 0.7))
    lease = (at - world.start + 400 * DAY) // (_LEASE_DAYS * DAY)
    return hash_ints(home * 64 + lease, 43, pool)


def find_nat_ips(world: World, city: Ints) -> Ints:
    """Return network addresses of the mobile carrier in each city, each used by very many people."""
    per_city = world.host.nat_ips_per_city
    return _NAT_BASE + city * per_city + world.rng.integers(0, per_city, len(city))


def _show_ips(
    world: World, accounts: Ints, *, is_buyer: bool, person: Ints, home: Ints, city: Ints, since: Ints
) -> None:
    rng = world.rng
    shown = hash_shares(person, 31 + 2) < world.host.get_coverage("ip")
    times = np.where(shown, 1 + rng.poisson(0.9 if is_buyer else 0.4, len(accounts)), 0)
    row = np.repeat(np.arange(len(accounts)), times)
    at = _pick_later(world, since[row])
    mobile = rng.random(len(row)) < (0.85 if world.host.name == "carrier" else 0.5)
    values = np.where(mobile, find_nat_ips(world, city[row]), find_home_ips(world, home[row], at))
    world.see("ip", is_buyer=is_buyer, accounts=accounts[row], values=values, seen_at=at)


def _pick_later(world: World, since: Ints) -> Ints:
    since = np.clip(since, world.start - 300 * DAY, world.end - 2)
    later: Ints = since + (world.rng.random(len(since)) ** 2 * (world.end - since)).astype(np.int64)
    return later
