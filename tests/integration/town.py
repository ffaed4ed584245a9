"""A shop of some hundred people with a ring and look-alikes of one, built through public verbs."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta

from tuike import attribution, checkout, orders, reactions, risk, team
from tuike.app import App
from tuike.orders import LineInput
from tuike.risk import Actor

NOW = datetime(2026, 11, 1, 4, tzinfo=UTC)
ANALYST = Actor("stf_1", "Analyst")


class Town:
    """A shop of some hundred people, most of them honest, built through public verbs."""

    def __init__(self, app: App, seed: int = 5) -> None:
        self.app = app
        self.random = random.Random(seed)
        self.numbers = itertools.count(1)
        self.codes: dict[str, str] = {}
        self.persons: dict[str, str] = {}

    def make_promoters(self, names: list[str], *, at: datetime, inviter: str | None = None) -> list[str]:
        with self.app.db.transaction() as tx:
            made = [team.create_promoter(tx, external_id=name, name=name, inviter_id=inviter, now=at) for name in names]
        team.catch_up(self.app.db, self.app.graph)
        with self.app.db.transaction() as tx:
            for promoter, name in zip(made, names, strict=True):
                self.codes[promoter.id] = attribution.create_link(
                    tx, promoter_id=promoter.id, target_type="shop", now=at
                ).code
                self.persons[promoter.id] = name
        team.catch_up(self.app.db, self.app.graph)
        return [promoter.id for promoter in made]

    def touch(self, visits: list[tuple[str, str, str | None, datetime]]) -> None:
        """Let (promoter, buyer, device, instant) open the promoter's link."""
        with self.app.db.transaction() as tx:
            for promoter_id, buyer, device, at in visits:
                attribution.record_touch(
                    tx, code=self.codes[promoter_id], buyer_id=buyer, device_id=device, at=at, now=NOW
                )
        team.catch_up(self.app.db, self.app.graph)
        while team.apply_lazy(self.app.db, self.app.graph):
            pass

    def buy(self, purchases: list[tuple[str, str, int, datetime]]) -> list[str]:
        """Let (buyer, sku, amount, instant) order and pay."""
        made = []
        for buyer, sku, amount, at in purchases:
            number = next(self.numbers)
            with self.app.db.transaction() as tx:
                order = checkout.place_order(
                    tx,
                    self.app.graph,
                    external_id=f"o-{number}",
                    buyer_id=buyer,
                    placed_at=at,
                    lines=[LineInput(sku, 1, amount)],
                    now=NOW,
                )
                orders.record_payment(
                    tx, order_id=order.id, payment_id=f"p-{number}", paid_at=at + timedelta(minutes=2),
                    amount_minor=amount, now=NOW,
                )  # fmt: skip
            made.append(order.id)
        reactions.settle_outstanding(self.app.db, self.app.graph)
        while team.apply_lazy(self.app.db, self.app.graph):
            pass
        return made


def plant_honest(town: Town) -> list[str]:
    """Twelve promoters with customers of their own, who buy at all hours for months."""
    promoters = town.make_promoters([f"honest-{n}" for n in range(12)], at=NOW - timedelta(days=300))
    visits, purchases = [], []
    for number, promoter_id in enumerate(promoters):
        for customer in range(8):
            buyer = f"customer-{number}-{customer}"
            for _ in range(town.random.randint(1, 3)):
                at = NOW - timedelta(minutes=town.random.randint(20_000, 350_000))
                visits.append((promoter_id, buyer, f"phone-of-{buyer}", at))
                sku, amount = f"sku-{town.random.randint(1, 60)}", town.random.randint(900, 30_000)
                purchases.append((buyer, sku, amount, at + timedelta(minutes=town.random.randint(3, 2_000))))
    town.touch(visits)
    town.buy(purchases)
    return promoters


def plant_ring(town: Town, name: str = "ring", *, days_ago: int = 12) -> tuple[list[str], list[str]]:
    """Three promoters, each below the first, whose eight new accounts on three phones buy the same from all, twice."""
    start = NOW - timedelta(days=days_ago)
    (top,) = town.make_promoters([f"{name}-0"], at=start - timedelta(hours=3))
    promoters = [top, *town.make_promoters([f"{name}-1", f"{name}-2"], at=start - timedelta(hours=2), inviter=top)]
    buyers = [f"{name}-buyer-{n}" for n in range(8)]
    visits = [
        (promoter_id, town.persons[promoter_id], f"{name}-phone-{n % 2}", start)
        for n, promoter_id in enumerate(promoters)
    ]
    for day in range(2):
        for turn, promoter_id in enumerate(promoters):
            at = start + timedelta(days=day, hours=turn)
            visits += [
                (promoter_id, buyer, f"{name}-phone-{n % 3}", at + timedelta(seconds=20 * n))
                for n, buyer in enumerate(buyers)
            ]
    town.touch(visits)
    town.buy([
        (buyer, f"{name}-sku-{turn}-{day}", 9_900, start + timedelta(days=day, hours=turn, seconds=20 * n + 5))
        for day in range(2) for turn in range(3) for n, buyer in enumerate(buyers)
    ])  # fmt: skip
    return promoters, buyers


def plant_dormitory(town: Town, promoter_id: str) -> list[str]:
    """Nine students on one computer, who buy what they like when they like."""
    students = [f"student-{n}" for n in range(9)]
    visits, purchases = [], []
    for student in students:
        for _ in range(2):
            at = NOW - timedelta(minutes=town.random.randint(20_000, 250_000))
            visits.append((promoter_id, student, "hall-computer", at))
            sku, amount = f"sku-{town.random.randint(1, 60)}", town.random.randint(900, 30_000)
            purchases.append((student, sku, amount, at + timedelta(minutes=town.random.randint(3, 2_000))))
    town.touch(visits)
    town.buy(purchases)
    return students


def list_cases(app: App) -> list[risk.RiskCase]:
    with app.db.transaction() as tx:
        return list(risk.list_cases(tx, limit=200).items)


def accused_of(app: App, case_id: str) -> set[tuple[str, str]]:
    with app.db.transaction() as tx:
        return {one.key for one in risk.list_members(tx, case_id=case_id) if one.accused}
