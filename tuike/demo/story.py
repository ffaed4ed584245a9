"""The run: a year of orders through the same verbs that the API calls, month by month, in the order of its own time.

Each month: touches, orders with their payments, receipts, refunds, the reactions that follow, the release of what is
due at its end, and withdrawals. Many verbs share a transaction, as an import may; nothing else differs from the API.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from tuike import attribution, checkout, commission, orders, reactions, team, wallet
from tuike.app import App
from tuike.commission import CommissionStatus
from tuike.db import Database, Transaction, outbox
from tuike.demo.data import Shop
from tuike.demo.people import Person, count_promoters, list_team, make_people
from tuike.demo.sharing import Link, Opening, Touch, make_devices, make_links, make_openings, make_touches
from tuike.demo.timetable import Course, choose_refund, list_months, make_courses, start_of_month
from tuike.graph import journal
from tuike.shared import clock

SEED = 20170101
_BATCH = 100
_WRITERS = 2
_WITHDRAW_FROM_MINOR = 1_000
_PAYOUTS = ("wechat", "wechat", "alipay", "bank")

Item = TypeVar("Item")
Progress = Callable[[int], None]


class StoryBroken(ValueError):
    """Something that must hold did not; the message says what."""


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that will happen, decided before anything does. Indexes lead from one list into another."""

    shop: Shop
    people: list[Person]
    links: list[Link]
    openings: list[Opening]
    devices: dict[str, str]
    touches: list[Touch]
    courses: list[Course]
    months: list[datetime]


@dataclass(frozen=True, slots=True)
class Month:
    """What a month came to."""

    start: datetime
    touches: int
    orders: int
    paid_minor: int
    refunds: int
    released: int
    released_minor: int
    withdrawn_minor: int


@dataclass(frozen=True, slots=True)
class Move:
    """A team that moved: its preview, and the uplines of one of its members just before and after."""

    promoter: int
    from_inviter: int
    to_inviter: int
    at: datetime
    preview: team.MovePreview
    member: int
    before: list[team.Upline]
    after: list[team.Upline]


@dataclass(slots=True)
class Debt:
    """A refund after the payout: the wallet before it, with the debt it left, and after the next release."""

    promoter: int
    order: orders.Order
    refund: orders.Refund
    commission_minor: int
    at: datetime
    before: wallet.Wallet
    owing: wallet.Wallet
    settled: wallet.Wallet | None = None
    settled_at: datetime | None = None


def write_script(shop: Shop, *, seed: int = SEED) -> Script:
    """Decide everything from the baskets and a seed."""
    random = Random(seed)
    baskets = shop.baskets
    people = make_people(random, buyers=sorted({b.buyer_id for b in baskets}), count=count_promoters(len(baskets)))
    links = make_links(random, people, products=sorted(shop.products))
    openings = make_openings(random, baskets)
    devices = make_devices(random, openings)
    touches = make_touches(random, people=people, links=links, openings=openings)
    courses = make_courses(random, baskets)
    ends = [at for course in courses for at in (course.received_at, course.refunded_at) if at is not None]
    months = list_months([baskets[0].placed_at, baskets[-1].placed_at, *ends])
    return Script(
        shop, people, links, openings, devices, touches, courses, [*months, start_of_month(months[-1], later=1)]
    )


class Story:
    """The script being played on a stack."""

    def __init__(self, app: App, script: Script, *, seed: int = SEED) -> None:
        self.app = app
        self.script = script
        self.months: list[Month] = []
        self.move: Move | None = None
        self.debt: Debt | None = None
        self.promoter_ids: list[str] = []
        self.numbers: dict[str, int] = {}
        """Index of a person by promoter id."""
        self.order_ids: dict[int, str] = {}
        """Order id by index of the basket."""
        self._codes: list[str] = []
        self._touch_ids: dict[int, str] = {}
        self._credited: dict[str, list[str]] = defaultdict(list)
        self._visitors = {o.basket: o.visitor_id for o in script.openings if o.basket is not None and o.visitor_id}
        self._random = Random(seed + 1)

    def create_promoters(self, progress: Progress) -> None:
        """Let everybody join, inviters first."""
        for chunk in _chunks(self.script.people, _BATCH):
            with self.app.db.transaction() as tx:
                for person in chunk:
                    promoter = team.create_promoter(
                        tx,
                        external_id=person.external_id,
                        name=person.name,
                        inviter_id=None if person.inviter is None else self.promoter_ids[person.inviter],
                        level=1,
                        now=person.joined_at,
                    )
                    self.numbers[promoter.id] = len(self.promoter_ids)
                    self.promoter_ids.append(promoter.id)
            self._catch_up()
            progress(len(chunk))

    def create_links(self, progress: Progress) -> None:
        """Make everybody's share links."""
        for chunk in _chunks(self.script.links, _BATCH):
            with self.app.db.transaction() as tx:
                for link in chunk:
                    made = attribution.create_link(
                        tx,
                        promoter_id=self.promoter_ids[link.owner],
                        target_type=link.target_type,
                        target_id=link.target_id,
                        channel=link.channel,
                        now=link.created_at,
                    )
                    self._codes.append(made.code)
            self._catch_up()
            progress(len(chunk))

    def play_months(self, progress: Progress) -> None:
        """Play the year; `progress` counts touches, orders and receipts."""
        script = self.script
        # What was opened before the first order belongs to its month.
        touches = _by_month((n, max(t.opening.at, script.months[0])) for n, t in enumerate(script.touches))
        baskets = _by_month(enumerate(basket.placed_at for basket in script.shop.baskets))
        receipts = _by_month((n, c.received_at) for n, c in enumerate(script.courses) if c.received_at)
        refunds = _by_month((n, c.refunded_at) for n, c in enumerate(script.courses) if c.refunded_at)
        for start in script.months:
            end = start_of_month(start, later=1)
            self._record_touches(touches[start], progress)
            self._place_orders(baskets[start], progress)
            self._record_receipts(receipts[start], progress)
            self._settle()
            self._record_refunds(refunds[start])
            self._settle()
            released = commission.release_due(self.app.db, now=end)
            self._note_settled_debt(end)
            paid_out, emptied = self._withdraw(end)
            self.months.append(
                Month(
                    start,
                    len(touches[start]),
                    len(baskets[start]),
                    sum(script.shop.baskets[n].amount_minor for n in baskets[start] if script.courses[n].paid_at),
                    len(refunds[start]),
                    released.released,
                    released.released_minor,
                    paid_out,
                )
            )
            if self.debt is None and len(self.months) >= 3:
                self._refund_after_payout(end, emptied)
            if self.move is None and len(self.months) >= 6:
                self._move_team(end)
            while team.apply_lazy(self.app.db, self.app.graph, 5_000):
                pass

    def name(self, promoter_id: str) -> str:
        """Return a promoter's name."""
        return self.script.people[self.numbers[promoter_id]].name

    def describe(self, number: int) -> str:
        """Return a person's name, with the household it is, or that it only promotes."""
        person = self.script.people[number]
        role = "也是买家 buyer too" if person.is_buyer else "只推广 promotes only"
        return f"{person.name}（{person.external_id}，{role}）"

    def count_orders(self, promoter_id: str) -> int:
        """Return how many orders belong to a promoter."""
        return len(self._credited[promoter_id])

    def _record_touches(self, numbers: Sequence[int], progress: Progress) -> None:
        script = self.script
        for chunk in _chunks(numbers, _BATCH):
            with self.app.db.transaction() as tx:
                for number in chunk:
                    touch = script.touches[number]
                    recorded = attribution.record_touch(
                        tx,
                        code=self._codes[touch.link],
                        buyer_id=touch.opening.buyer_id,
                        visitor_id=touch.opening.visitor_id,
                        parent_touch_id=None if touch.parent is None else self._touch_ids[touch.parent],
                        # The device is known of those who came to the checkout.
                        device_id=None if touch.opening.basket is None else script.devices[touch.opening.who],
                        at=touch.opening.at,
                        now=touch.opening.at,
                    )
                    self._touch_ids[number] = recorded.id
            self._catch_up()
            progress(len(chunk))

    def _place_orders(self, numbers: Sequence[int], progress: Progress) -> None:
        # Side by side: what an order belongs to depends on its own time, not on the order of arrival.
        with ThreadPoolExecutor(_WRITERS) as pool:
            for done in pool.map(self._place_chunk, _chunks(numbers, _BATCH)):
                for order in done:
                    if order.attribution.promoter_id is not None:
                        self._credited[order.attribution.promoter_id].append(order.id)
                progress(len(done))

    def _place_chunk(self, numbers: Sequence[int]) -> list[orders.Order]:
        placed = []
        with self.app.db.transaction() as tx:
            for number in numbers:
                basket, course = self.script.shop.baskets[number], self.script.courses[number]
                order = checkout.place_order(
                    tx,
                    self.app.graph,
                    external_id=basket.id,
                    buyer_id=basket.buyer_id,
                    placed_at=basket.placed_at,
                    visitor_id=self._visitors.get(number),
                    lines=basket.lines,
                    now=basket.placed_at,
                )
                if course.paid_at is not None:
                    orders.record_payment(
                        tx,
                        order_id=order.id,
                        payment_id=f"pay-{basket.id}",
                        paid_at=course.paid_at,
                        amount_minor=order.total_minor,
                        now=course.paid_at,
                    )
                self.order_ids[number] = order.id
                placed.append(order)
        return placed

    def _record_receipts(self, numbers: Sequence[int], progress: Progress) -> None:
        with ThreadPoolExecutor(_WRITERS) as pool:
            for count in pool.map(self._receive_chunk, _chunks(numbers, _BATCH)):
                progress(count)

    def _receive_chunk(self, numbers: Sequence[int]) -> int:
        with self.app.db.transaction() as tx:
            for number in numbers:
                at = self.script.courses[number].received_at
                assert at is not None
                orders.record_receipt(tx, order_id=self.order_ids[number], received_at=at, now=at)
        return len(numbers)

    def _record_refunds(self, numbers: Sequence[int]) -> None:
        with self.app.db.transaction() as tx:
            for number in numbers:
                course = self.script.courses[number]
                assert course.refunded_at is not None
                assert course.refund is not None
                order = orders.get_order(tx, order_id=self.order_ids[number])
                if order.refunded_minor:
                    continue  # the one that came back for the story
                amount_minor, lines = choose_refund(course.refund, order.lines)
                orders.record_refund(
                    tx,
                    order_id=order.id,
                    refund_id=f"refund-{order.external_id}",
                    refunded_at=course.refunded_at,
                    amount_minor=amount_minor,
                    lines=lines,
                    now=course.refunded_at,
                )

    def _withdraw(self, now: datetime) -> tuple[int, list[int]]:
        """Pay out a third of the promoters, each its turn once a quarter; return how much, and who has nothing left."""
        paid_out, emptied = 0, []
        turn = [number for number in self._list_earners() if number % 3 == len(self.months) % 3]
        for chunk in _chunks(turn, 500):
            with self.app.db.transaction() as tx:
                for number in chunk:
                    held = wallet.get_wallet(tx, promoter_id=self.promoter_ids[number])
                    if held.available_minor < _WITHDRAW_FROM_MINOR or self._random.random() < 0.1:
                        continue
                    request = wallet.request_withdrawal(
                        tx,
                        promoter_id=held.promoter_id,
                        amount_minor=held.available_minor,
                        method=self._random.choice(_PAYOUTS),
                        now=now,
                    )
                    chance = self._random.random()
                    if chance < 0.02:
                        wallet.reject_withdrawal(tx, withdrawal_id=request.id, reason="account name differs", now=now)
                        continue
                    wallet.approve_withdrawal(tx, withdrawal_id=request.id, now=now)
                    if chance < 0.04:
                        wallet.mark_failed(tx, withdrawal_id=request.id, reason="bank refused", now=now)
                        continue
                    wallet.mark_paid(tx, withdrawal_id=request.id, now=now)
                    paid_out += request.amount_minor
                    emptied.append(number)
        return paid_out, emptied

    def _list_earners(self) -> list[int]:
        """Return, in the order of joining, everybody who may have earned: orders' promoters and their inviters."""
        credited = {self.numbers[promoter_id] for promoter_id in self._credited}
        inviters = {self.script.people[number].inviter for number in credited}
        moved_to = set() if self.move is None else {self.move.to_inviter}
        return sorted(number for number in credited | inviters | moved_to if number is not None)

    def _refund_after_payout(self, now: datetime, emptied: Sequence[int]) -> None:
        """Send back an order whose commission was paid out, of a promoter whose next commission will cover it."""
        with self.app.db.transaction() as tx:
            found = self._find_paid_out(tx, emptied)
        if found is None:
            return
        number, order_id, minor = found
        promoter_id, at = self.promoter_ids[number], now + timedelta(hours=10)
        with self.app.db.transaction() as tx:
            before = wallet.get_wallet(tx, promoter_id=promoter_id)
            order = orders.get_order(tx, order_id=order_id)
            refund, _ = orders.record_refund(
                tx,
                order_id=order_id,
                refund_id=f"refund-{order.external_id}",
                refunded_at=at,
                amount_minor=order.goods_minor,
                now=at,
            )
        self._settle()
        with self.app.db.transaction() as tx:
            owing = wallet.get_wallet(tx, promoter_id=promoter_id)
        self.debt = Debt(number, order, refund, minor, at, before, owing)

    def _find_paid_out(self, tx: Transaction, emptied: Sequence[int]) -> tuple[int, str, int] | None:
        """Return (person, order id, commission) for the largest commission paid out that may be owed back."""
        found: list[tuple[int, int, str]] = []
        for number in emptied[:60]:
            promoter_id = self.promoter_ids[number]
            pending = wallet.get_wallet(tx, promoter_id=promoter_id).pending_minor
            if not pending:
                continue
            for order_id in self._credited[promoter_id][-12:]:
                order = orders.get_order(tx, order_id=order_id)
                first = next(iter(commission.list_commissions(tx, order_id=order_id)), None)
                if first is None or first.status is not CommissionStatus.AVAILABLE or order.refunded_minor:
                    continue
                if 0 < first.amount_minor <= pending:
                    found.append((first.amount_minor, number, order_id))
        if not found:
            return None
        minor, number, order_id = max(found)
        return number, order_id, minor

    def _note_settled_debt(self, now: datetime) -> None:
        if self.debt is None or self.debt.settled_at is not None:
            return
        with self.app.db.transaction() as tx:
            self.debt.settled = wallet.get_wallet(tx, promoter_id=self.promoter_ids[self.debt.promoter])
        if not self.debt.settled.debt_minor:
            self.debt.settled_at = now

    def _move_team(self, now: datetime) -> None:
        """Move a middling team below somebody else, and look at one of its members before and after."""
        chosen = self._choose_move()
        if chosen is None:
            return
        number, to_inviter, member = chosen
        promoter_id, inviter_id = self.promoter_ids[number], self.promoter_ids[to_inviter]
        with self.app.db.transaction() as tx:
            preview = team.preview_move(tx, self.app.graph, promoter_id=promoter_id, inviter_id=inviter_id)
        team.change_inviter(
            self.app.db, self.app.graph, promoter_id=promoter_id, inviter_id=inviter_id,
            reason="asked for by both", force=True, now=now,
        )  # fmt: skip
        looked_at = self.promoter_ids[member]
        before, after = (
            team.list_upline(self.app.graph, promoter_id=looked_at, at=at) for at in (now - timedelta(seconds=1), now)
        )
        from_inviter = self.script.people[number].inviter
        assert from_inviter is not None
        self.move = Move(number, from_inviter, to_inviter, now, preview, member, before, after)

    def _choose_move(self) -> tuple[int, int, int] | None:
        people = self.script.people
        sizes = {n: len(list_team(people, n)) for n, person in enumerate(people[:400]) if person.inviter is not None}
        fitting = [n for n, size in sizes.items() if 5 <= size <= 60] or [n for n, size in sizes.items() if size]
        if not fitting:
            return None
        number = max(fitting, key=lambda n: (sizes[n], -n))
        below = {number, *list_team(people, number)}
        to_inviter = next((n for n in range(len(people)) if n not in below and n != people[number].inviter), None)
        return None if to_inviter is None else (number, to_inviter, list_team(people, number)[0])

    def _catch_up(self) -> None:
        team.catch_up(self.app.db, self.app.graph)
        with self.app.db.transaction() as tx:
            if journal.is_behind(tx):
                raise StoryBroken("The graph could not follow; its log is in the data directory.")

    def _settle(self) -> None:
        reactions.settle_outstanding(self.app.db, self.app.graph)
        with self.app.db.transaction() as tx:
            waiting = outbox.count_waiting(tx)
        if waiting:
            raise StoryBroken(f"Reactions are stuck: {', '.join(f'{n} × {topic}' for topic, n in waiting.items())}.")


def seal(db: Database) -> None:
    """Link every voucher to the hash chain; the sealer notes what is there first and seals it on a later call.

    Raises StoryBroken when some stay outside for half a minute.
    """
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with db.transaction() as tx:
            wallet.seal_transactions(tx, now=clock.read_clock())
            if not wallet.count_unsealed(tx):
                return
        time.sleep(0.05)
    raise StoryBroken("The sealer left vouchers outside the hash chain.")


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _by_month(dated: Iterable[tuple[int, datetime]]) -> dict[datetime, list[int]]:
    """Return, by start of month, the numbers of that month in the order of time."""
    found: dict[datetime, list[int]] = defaultdict(list)
    for number, at in sorted(dated, key=lambda item: (item[1], item[0])):
        found[start_of_month(at)].append(number)
    return found
