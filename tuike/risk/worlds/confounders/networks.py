"""Identifiers that mean little: carriers, shop tablets, recycled numbers, reinstalled or broken devices, agencies."""

import numpy as np

from tuike.risk.worlds import shopping
from tuike.risk.worlds.confounders.crowd import Confounder, add_buyers, pick_buyers, pick_promoters, see
from tuike.risk.worlds.model import DAY
from tuike.risk.worlds.world import World


def _place_carrier_nat(world: World) -> None:
    rng = world.rng
    members = pick_buyers(world, min(int(rng.integers(150, 600)), world.honest_buyers // 8))
    gateways = world.new_values(2)
    see(world, "ip", np.repeat(members, 2), gateways)
    promoters = pick_promoters(world, 6)
    see(world, "ip", promoters, gateways, is_buyer=False)
    world.mark_group("carrier_nat", promoters, members)


def _place_shop_tablet(world: World) -> None:
    rng = world.rng
    clerk = pick_promoters(world, 1 if rng.random() < 0.7 else int(rng.integers(2, 5)), low=0.5)
    tablet = world.new_values(1)
    opened = world.start + int(rng.uniform(0.1, 0.7) * world.host.days * DAY)
    count = int(rng.integers(25, 90))
    registered = world.pick_instants(np.full(count, opened))
    customers = add_buyers(world, registered, city=int(world.promoters["city"][clerk[0]]))
    see(world, "device", customers, tablet, registered)
    see(world, "device", clerk, tablet, np.full(len(clerk), opened), is_buyer=False)
    see(world, "ip", customers, world.new_values(1), registered)
    world.place(
        customers,
        clerk[rng.integers(0, len(clerk), count)],
        world.pick_skus(count),
        registered + rng.integers(120, 1800, count),
        touched=0.3,
    )
    shopping.shop_for(world, customers, rng.poisson(1.1, count))
    world.mark_group("shop_tablet", clerk, customers)


def _place_recycled_phone(world: World) -> None:
    rng = world.rng
    pairs = int(rng.integers(20, 40))
    members = pick_buyers(world, pairs * 2)
    numbers = np.repeat(world.new_values(len(members) // 2 + 1), 2)[: len(members)]
    see(world, "phone", members, numbers)
    world.mark_group("recycled_phone", (), members)


def _place_reinstalled_device(world: World) -> None:
    rng = world.rng
    members = pick_buyers(world, int(rng.integers(30, 60)))
    many = np.repeat(members, rng.integers(3, 9, len(members)))
    see(world, "device", many, world.new_values(len(many)))
    sold = members[: len(members) // 3 * 2]
    see(world, "device", sold, np.repeat(world.new_values(len(sold) // 2), 2))
    world.mark_group("reinstalled_device", (), members)


def _place_broken_device(world: World) -> None:
    rng = world.rng
    members = pick_buyers(world, min(int(rng.integers(100, 400)), world.honest_buyers // 10))
    promoters = pick_promoters(world, int(rng.integers(3, 12)))
    zeros = world.new_values(1)
    see(world, "device", members, zeros)
    see(world, "device", promoters, zeros, is_buyer=False)
    world.mark_group("broken_device", promoters, members)


def _place_agency_payout(world: World) -> None:
    rng = world.rng
    promoters = pick_promoters(world, int(rng.integers(5, 25)), low=0.55)
    see(world, "payout_account", promoters, world.new_values(1), is_buyer=False)
    see(world, "ip", promoters, world.new_values(1), is_buyer=False)
    world.mark_group("agency_payout", promoters, ())


CONFOUNDERS = (
    Confounder("carrier_nat", "hundreds of strangers come through two addresses of a carrier", _place_carrier_nat),
    Confounder("shop_tablet", "clerks sign customers up on the shop's tablet; each orders at once, some come back",
               _place_shop_tablet),
    Confounder("recycled_phone", "a phone number given up by one customer was given to another", _place_recycled_phone),
    Confounder("reinstalled_device", "each new installation looks like a new device, and used phones are sold on",
               _place_reinstalled_device),
    Confounder("broken_device", "a phone model reports the same device number for everybody", _place_broken_device),
    Confounder("agency_payout", "an agency takes the commission of good promoters with customers of their own",
               _place_agency_payout),
)  # fmt: skip
