"""What happened to a case since it was found, and who stands near it, as sentences in English and Chinese. Pure."""

from collections.abc import Sequence

from tuike.risk.cases.model import CaseMember, CaseSource, CaseState, Reach, RiskCase
from tuike.risk.model import Role


def tell_growth(case: RiskCase, members: Sequence[CaseMember]) -> tuple[list[str], list[str]]:
    """Return what opened or joined a case by itself, and how much is near it, in English and in Chinese."""
    english, chinese = [], []
    if case.source is CaseSource.ORDERS:
        told = _tell_opening(case, members)
        english.append(told[0])
        chinese.append(told[1])
    if case.joined_orders_count:
        english.append(f"{case.joined_orders_count} orders among its members joined since it was last found.")
        chinese.append(f"自上次发现以来，成员之间新增 {case.joined_orders_count} 笔订单并入本案。")
    context = sum(member.role == Role.CONTEXT for member in members)
    if context:
        english.append(
            f"{context} accounts share what only few people use with its members; they are accused of nothing."
        )
        chinese.append(f"{context} 个账号与成员共用很少有人使用的标识，仅作为关联背景，未被指控。")
    unheld = sum(member.accused and not member.held for member in members)
    if unheld and case.state in (CaseState.HELD, CaseState.CONFIRMED, CaseState.BANNED):
        english.append(
            f"{unheld} accused members joined after the last decision; hold or confirm again to take them in."
        )
        chinese.append(f"上次决定之后新增 {unheld} 名被指控成员，如需纳入请再次冻结或确认。")
    return english, chinese


def _tell_opening(case: RiskCase, members: Sequence[CaseMember]) -> tuple[str, str]:
    """Return how orders opened a case, in English and in Chinese."""
    if case.sweep_id is not None:
        return "Its own orders opened the case before a sweep found the group.", "本案先由订单立案，其后被扫描发现。"
    buyers = sum(member.accused and member.account_kind == "buyer" for member in members)
    return (
        f"Opened by its orders: {buyers} buyers share what few people use with the promoter; no sweep found them.",
        f"本案由订单立案：{buyers} 名与推客共用很少有人使用的标识的买家通过其下单。扫描尚未发现该群体。",
    )


def tell_reach(near: Reach) -> tuple[str, str]:
    """Return why an account stands near a case, in English and in Chinese."""
    percent = round(near.score * 100)
    if near.distance == 1:
        return (
            f"Shares what only few people use with {near.members} of the accused: {percent} % near.",
            f"与 {near.members} 名被指控成员共用很少有人使用的标识，关联度 {percent}%。",
        )
    return (
        f"Shares what only few people use with {near.members} who stand near the accused: {percent} % near.",
        f"与 {near.members} 名关联账号共用很少有人使用的标识（相隔 {near.distance} 步），关联度 {percent}%。",
    )
