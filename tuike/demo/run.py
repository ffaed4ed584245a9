"""The demo from start to end."""

import gc
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from tuike import attribution, commission, identity, orders, team, wallet
from tuike.app import App, build_app
from tuike.config import Config
from tuike.db import Transaction
from tuike.demo.data import Basket, Shop, load_shop
from tuike.demo.figures import count_figures
from tuike.demo.live import make_purchase
from tuike.demo.risk import tell_rings
from tuike.demo.screen import Screen
from tuike.demo.shop import count_sold, group_goods, load_catalogue, load_goods
from tuike.demo.stack import has_data, is_simulated, run_servers, serve
from tuike.demo.story import Script, Story, StoryBroken, seal, write_script
from tuike.demo.wechat import buy_in_wechat
from tuike.embedded.supervisor import Stopped
from tuike.shared import clock

_BOARD = 6
_LOOKED_AT = 80


def run_demo(
    *,
    orders_count: int,
    once: bool,
    reuse: bool,
    host: str,
    port: int | None,
    directory: Path,
    prepare: Callable[[Config], None],
) -> None:
    """Load, play, prove and tell the story in `directory`, then serve it until asked to stop, or not at all if `once`.

    With `reuse`, the data of an earlier run are served as they are. `prepare` brings a stack's schema up to date.
    Raises DataMissing, StoryBroken, DirectoryInUse, StartFailed; Stopped when somebody asks us to stop before serving.
    """
    begun = time.monotonic()
    screen = Screen()
    kept: Basket | None = None
    if not (reuse and has_data(directory)):
        with screen.step("读入真实购物篮 reading real baskets"):
            shop, kept = _keep_one(load_shop(orders_count))
            script = write_script(shop)
            # None of it will ever be garbage, and looking through it again and again costs seconds.
            gc.freeze()
        screen.open(orders=len(shop.baskets), live=kept is not None)
        _play(screen, script, directory, prepare)
    is_told = False

    def go_on(config: Config, url: str) -> None:
        nonlocal is_told
        app = build_app(config, application_name="tuike demo")
        try:
            _finish(screen, app, kept, url=url, directory=directory, once=once, begun=begun)
        finally:
            app.close()
        is_told = True
        if once:
            raise Stopped

    screen.chapter("上线", "the whole stack, over REST")
    screen.note("启动接口、任务队列与定时器 · starting API, workers and scheduler")
    serve(directory, host=host, port=port, prepare=prepare, on_ready=go_on)
    if not is_told:
        raise Stopped


def _keep_one(shop: Shop) -> tuple[Shop, Basket | None]:
    """Keep back the last basket of a few lines, to be sold over REST; None when there is only one."""
    if len(shop.baskets) < 2:
        return shop, None
    fitting = [basket for basket in shop.baskets if 2 <= len(basket.lines) <= 8] or shop.baskets
    kept = fitting[-1]
    return replace(shop, baskets=tuple(basket for basket in shop.baskets if basket is not kept)), kept


def _play(screen: Screen, script: Script, directory: Path, prepare: Callable[[Config], None]) -> None:
    screen.chapter("一年", "people, links and a year of orders")
    screen.note("启动 PostgreSQL 与图数据库 · starting PostgreSQL and the graph server")
    with run_servers(directory, prepare=prepare) as config:
        app = build_app(config, application_name="tuike demo")
        try:
            _open_shop(screen, app, script)
            story = Story(app, script)
            with screen.step("推客入驻 promoters join", len(script.people)) as progress:
                story.create_promoters(progress)
            with screen.step("生成分享链接 share links", len(script.links)) as progress:
                story.create_links(progress)
            steps = len(script.touches) + sum(1 + (course.received_at is not None) for course in script.courses)
            with screen.step("打开、下单、收货、退款、分佣、提现 the year", steps) as progress:
                story.play_months(progress)
            with screen.step("凭证封入哈希链 sealing the vouchers"):
                seal(app.db)
            _tell(screen, story)
            tell_rings(screen, story)
        finally:
            app.close()


def _open_shop(screen: Screen, app: App, script: Script) -> None:
    """Put the real products of all baskets on sale, as of the first of them."""
    baskets = script.shop.baskets
    listings = group_goods(load_goods(baskets))
    with screen.step("真实商品上架 real products on sale", len(listings)) as progress:
        load_catalogue(
            app.db, listings, sold=count_sold(baskets), progress=progress, now=baskets[0].placed_at
        )  # fmt: skip
    screen.show_catalogue(listings)


def _tell(screen: Screen, story: Story) -> None:
    script = story.script
    screen.show_months(story.months)
    screen.chapter("人与分享", "people and shares")
    children: dict[int | None, list[int]] = {}
    for number, person in enumerate(script.people):
        children.setdefault(person.inviter, []).append(number)
    root = max(children[None], key=lambda number: (len(children.get(number, ())), -number))
    invited = sorted(children.get(root, ()), key=lambda number: (-len(children.get(number, ())), number))
    branches = [
        (story.describe(number), [story.describe(leaf) for leaf in children.get(number, ())[:2]])
        for number in invited[:3]
    ]
    screen.show_tree(story.describe(root), branches, more=len(invited) - len(branches))
    depths = Counter(min(touch.depth, 6) for touch in script.touches)
    deepest = max((touch.depth for touch in script.touches), default=0)
    followed = len({touch.parent for touch in script.touches if touch.parent is not None})
    screen.show_shares([depths[depth] for depth in range(7)], followed=followed, deepest=deepest)
    _tell_order(screen, story)
    if story.debt is not None:
        screen.chapter("提现后退款", "a refund after the payout")
        screen.show_debt(story.debt, name=script.people[story.debt.promoter].name)
    if story.move is not None:
        screen.chapter("带队转移", "a team moves")
        screen.show_move(story.move, name=story.name, who=lambda number: script.people[number].name)
    screen.chapter("团队榜", "the largest teams")
    screen.show_board(_list_board(story))


def _tell_order(screen: Screen, story: Story) -> None:
    """Show the order whose share path is the longest among those that pay two levels and fit the screen."""
    with story.app.db.transaction() as tx:
        found = _find_telling_order(tx, story)
    if found is None:
        return
    order, commissions = found
    touch_id = order.attribution.touch_id
    path = attribution.get_share_path(story.app.graph, touch_id=touch_id) if touch_id else []
    screen.chapter("一单怎么分", "how one order is split, and why")
    screen.show_order(order, products=story.script.shop.products, path=path, name=story.name)
    screen.show_split(commissions, name=story.name)


def _find_telling_order(tx: Transaction, story: Story) -> tuple[orders.Order, list[commission.Commission]] | None:
    fallback = None
    touches = [touch for touch in story.script.touches if touch.opening.basket is not None]
    for touch in sorted(touches, key=lambda touch: (not 2 <= touch.depth <= 5, -touch.depth))[:_LOOKED_AT]:
        assert touch.opening.basket is not None
        order = orders.get_order(tx, order_id=story.order_ids[touch.opening.basket])
        commissions = commission.list_commissions(tx, order_id=order.id)
        paid = sum(item.amount_minor > 0 for item in commissions)
        if paid >= 2 and 2 <= len(order.lines) <= 6 and order.total_minor >= 1_000 and not order.refunded_minor:
            return order, commissions
        if paid and fallback is None and len(order.lines) <= 12:
            fallback = order, commissions
    return fallback


def _list_board(story: Story) -> list[tuple[str, dict[int, int], int, wallet.Wallet]]:
    graph = story.app.graph
    sizes = {promoter_id: team.get_team_sizes(graph, promoter_id=promoter_id) for promoter_id in story.promoter_ids}
    largest = sorted(sizes, key=lambda promoter_id: -sum(sizes[promoter_id].values()))[:_BOARD]
    with story.app.db.transaction() as tx:
        return [
            (story.name(one), sizes[one], story.count_orders(one), wallet.get_wallet(tx, promoter_id=one))
            for one in largest
        ]


def _finish(
    screen: Screen, app: App, kept: Basket | None, *, url: str, directory: Path, once: bool, begun: float
) -> None:
    """Sell once more over REST, prove everything, say where to go on, and print the last line."""
    with app.db.transaction() as tx:
        _, secret = identity.create_key(tx, name="tuike demo", scope="operator", now=clock.read_clock())
        best = team.list_promoters(tx, app.graph, limit=1).items[0]
    order_id = None
    if kept is not None:
        purchase = make_purchase(url, secret, inviter_id=best.id, basket=kept)
        screen.show_purchase(purchase)
        order_id = purchase.order_id
        if is_simulated(app.config):
            screen.chapter("在微信里买", "a purchase in WeChat")
            simulator_url = app.config.wechat_url.removesuffix("/wechat")
            visit = buy_in_wechat(url, key=secret, simulator_url=simulator_url, invite_code=best.invite_code)
            screen.show_visit(visit)
    screen.chapter("证明", "proof")
    drift = team.check_drift(app.db, app.graph)
    seal(app.db)
    with app.db.transaction() as tx:
        ledger = wallet.check_ledger(tx)
    with app.db.transaction() as tx:
        figures = count_figures(tx)
    screen.show_proof(figures, ledger, drift)
    screen.chapter("接着看", "where to go on")
    screen.show_way_on(
        url=url, key=secret, promoter_id=best.id, order_id=order_id, directory=directory, serving=not once
    )
    line = asdict(figures) | {
        "ledger_sum_minor": sum(abs(total) for total in ledger.sums.values()),
        "ledger_ok": ledger.ok,
        "head": ledger.head,
        "graph_drift": drift["drift"],
        "seconds": round(time.monotonic() - begun, 1),
        "url": url,
    }
    screen.end(f"DEMO {json.dumps(line, ensure_ascii=False)}")
    if not ledger.ok or drift["drift"] or figures.undecided_orders:
        raise StoryBroken("The proof failed; what is wrong stands above.")
