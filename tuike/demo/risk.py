"""Two rings and a dormitory among the honest: found by a sweep, shown with their evidence, held in the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from tuike import attribution, checkout, commission, orders, reactions, risk, team, wallet
from tuike.app import App
from tuike.demo.screen import Screen, format_money
from tuike.demo.story import Story
from tuike.orders import LineInput
from tuike.shared import clock

_ANALYST = risk.Actor("demo", "风控 Wei")
_GOODS_MINOR = 9_900
_EDGES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Purchase:
    """Somebody opens a promoter's link on a device and buys one thing soon after."""

    promoter_id: str
    buyer_id: str
    device: str
    opened_at: datetime
    placed_at: datetime
    sku: str
    amount_minor: int
    paid_at: datetime
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """People who were planted, and the orders they placed."""

    promoter_ids: tuple[str, ...]
    buyer_ids: tuple[str, ...]
    order_ids: tuple[str, ...]


def tell_rings(screen: Screen, story: Story) -> None:
    """Plant two rings, and a dormitory at honest promoters; sweep; hold what was found; prove who was not."""
    app, baskets = story.app, story.script.shop.baskets
    end, skus = baskets[-1].placed_at, sorted(story.script.shop.products)
    with screen.step("混入两个团伙与一间宿舍 planting two rings and a dormitory"):
        rings = [
            _plant_ring(app, name, skus, start=end - timedelta(days=ago)) for name, ago in (("rA", 12), ("rB", 40))
        ]
        friends = story.promoter_ids[:: max(1, len(story.promoter_ids) // 16)]
        dormitory = _plant_dormitory(app, friends, skus, first=baskets[0].placed_at, last=end)
    try:
        with screen.step("扫描团伙 sweeping for rings"):
            risk.sweep_living(app.db, app.graph)
    except risk.PartMissing as error:
        screen.note(str(error))
        return
    screen.chapter("团伙", "rings, found and held")
    for ring in rings:
        _hold_ring(screen, app, ring)
    with app.db.transaction() as tx:
        frozen = [
            item
            for order_id in dormitory.order_ids
            for item in commission.list_commissions(tx, order_id=order_id)
            if item.status is commission.CommissionStatus.FROZEN
        ]
        accused = _list_accused(app) & {("buyer", one) for one in dormitory.buyer_ids}
    untouched = not frozen and not accused
    said = "未受影响" if untouched else "受到影响"
    screen.say(
        f"宿舍：{len(dormitory.buyer_ids)} 名同学共用一台电脑，通过 {len(dormitory.promoter_ids)} 名推客下了 "
        f"{len(dormitory.order_ids)} 单，{said}。"
    )
    screen.note(
        f"A dormitory of {len(dormitory.buyer_ids)} on one computer: {len(frozen)} entries frozen, "
        f"{len(accused)} students accused."
    )


def _hold_ring(screen: Screen, app: App, ring: Group) -> None:
    members = {("promoter", one) for one in ring.promoter_ids} | {("buyer", one) for one in ring.buyer_ids}
    with app.db.transaction() as tx:
        best, best_overlap = None, 0
        for case in risk.list_cases(tx, state="open", limit=200).items:
            accused = {one.key for one in risk.list_members(tx, case_id=case.id) if one.accused}
            if len(accused & members) > best_overlap:
                best, best_overlap = case, len(accused & members)
        if best is None:
            screen.note("A ring was not found.")
            return
        edges = risk.list_evidence(tx, case_id=best.id, limit=_EDGES_SHOWN).items
        held = risk.hold_case(
            tx, case_id=best.id, version=best.version, reason="演示 demo", actor=_ANALYST, now=clock.read_clock()
        )
        frozen = sum(wallet.get_wallet(tx, promoter_id=one).frozen_minor for one in ring.promoter_ids)
    screen.say(
        f"案件 {held.id}（{held.pattern}，{held.score:.2f}）：{best_overlap} 个成员被找到，共 {len(members)} 个；"
        f"账本冻结佣金 {format_money(frozen)}。"
    )
    screen.note(best.summary)
    for edge in edges:
        sentence, chinese = risk.tell_edge(
            risk.Edge(edge.from_kind, edge.from_id, edge.relation, edge.to_kind, edge.to_id, edge.weight)
        )
        screen.note(f"· {chinese} {sentence}")


def _list_accused(app: App) -> set[tuple[str, str]]:
    with app.db.transaction() as tx:
        cases = risk.list_cases(tx, limit=200).items
        return {one.key for case in cases for one in risk.list_members(tx, case_id=case.id) if one.accused}


def _plant_ring(app: App, name: str, skus: Sequence[str], *, start: datetime) -> Group:
    """Three promoters, two of them below the first, whose eight new accounts on three phones buy the same, twice."""
    with app.db.transaction() as tx:
        top = team.create_promoter(tx, external_id=f"{name}-0", name="团伙 ring", now=start - timedelta(hours=3))
        others = [
            team.create_promoter(
                tx, external_id=f"{name}-{n}", name="团伙 ring", inviter_id=top.id, now=start - timedelta(hours=2)
            )
            for n in (1, 2)
        ]
    promoter_ids = (top.id, *(other.id for other in others))
    buyer_ids = tuple(f"{name}-buyer-{n}" for n in range(8))
    goods = Random(name).sample(skus, 6)
    purchases = [
        Purchase(
            promoter_id, buyer_id, f"{name}-phone-{n % 3}",
            opened := start + timedelta(days=day, hours=turn, seconds=20 * n), opened + timedelta(seconds=5),
            goods[day * 3 + turn], _GOODS_MINOR, opened + timedelta(seconds=20),
        )
        for day in range(2) for turn, promoter_id in enumerate(promoter_ids) for n, buyer_id in enumerate(buyer_ids)
    ]  # fmt: skip
    owners = [(promoter_id, f"{name}-{n}", f"{name}-phone-{n % 2}") for n, promoter_id in enumerate(promoter_ids)]
    return Group(promoter_ids, buyer_ids, _buy(app, purchases, owners=owners))


def _plant_dormitory(
    app: App, promoter_ids: Sequence[str], skus: Sequence[str], *, first: datetime, last: datetime
) -> Group:
    """Nine students on one computer, who buy what they like when they like, through whoever sent them a link."""
    random = Random(9)
    students = tuple(f"student-{n}" for n in range(9))
    minutes = int((last - first).total_seconds() // 60)
    purchases = []
    for student in students:
        for _ in range(2):
            placed_at = first + timedelta(minutes=random.randint(minutes // 3, minutes))
            purchases.append(Purchase(
                random.choice(promoter_ids), student, "hall-computer",
                placed_at - timedelta(minutes=random.randint(3, 2_000)), placed_at, random.choice(skus),
                random.randint(300, 9_000), placed_at + timedelta(seconds=random.randint(20, 2_400)),
                placed_at + timedelta(minutes=random.randint(2_000, 14_000)),
            ))  # fmt: skip
    through = sorted({one.promoter_id for one in purchases})
    return Group(tuple(through), students, _buy(app, purchases, owners=()))


def _buy(app: App, purchases: Sequence[Purchase], *, owners: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    """Open links and buy; `owners` are promoters who look at their own link: (promoter, person, device)."""
    now = clock.read_clock()
    team.catch_up(app.db, app.graph)
    with app.db.transaction() as tx:
        codes = {
            promoter_id: attribution.create_link(tx, promoter_id=promoter_id, target_type="shop", now=now).code
            for promoter_id in sorted({one.promoter_id for one in purchases})
        }
    team.catch_up(app.db, app.graph)
    first = min(one.opened_at for one in purchases)
    with app.db.transaction() as tx:
        for promoter_id, person, device in owners:
            attribution.record_touch(tx, code=codes[promoter_id], buyer_id=person, device_id=device, at=first, now=now)
        for one in purchases:
            attribution.record_touch(
                tx, code=codes[one.promoter_id], buyer_id=one.buyer_id, device_id=one.device, at=one.opened_at, now=now
            )
    team.catch_up(app.db, app.graph)
    while team.apply_lazy(app.db, app.graph):
        pass
    made = []
    with app.db.transaction() as tx:
        for one in purchases:
            order = checkout.place_order(
                tx, app.graph, external_id=f"{one.buyer_id}-{one.sku}-{clock.to_micros(one.placed_at)}",
                buyer_id=one.buyer_id, placed_at=one.placed_at, lines=[LineInput(one.sku, 1, one.amount_minor)],
                now=now,
            )  # fmt: skip
            orders.record_payment(
                tx, order_id=order.id, payment_id=f"pay-{order.id}", paid_at=one.paid_at,
                amount_minor=one.amount_minor, now=now,
            )  # fmt: skip
            if one.received_at is not None:
                orders.record_receipt(tx, order_id=order.id, received_at=one.received_at, now=now)
            made.append(order.id)
    reactions.settle_outstanding(app.db, app.graph)
    while team.apply_lazy(app.db, app.graph):
        pass
    return tuple(made)
