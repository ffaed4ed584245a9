"""Findings and edges as sentences, in English and Chinese: in full for analysts, without the method for promoters."""

from collections.abc import Mapping
from typing import Any

from tuike.risk.checks.model import Edge, Finding

_FINDINGS: Mapping[str, tuple[str, str]] = {
    "case_held": ("The buyer or the promoter is accused in case {case_id}, which is {state}.",
                  "买家或推客涉及案件 {case_id}（{state}）。"),
    "case_open": ("The buyer or the promoter is named in case {case_id}, which holds nothing yet.",
                  "买家或推客涉及案件 {case_id}，该案件尚未冻结资金。"),
    "near_case": ("Buyer or promoter shares what only few use with members of fraud case {case_id}: {percent} % near.",
                  "买家或推客与已确认的案件 {case_id} 关联度为 {percent}%：与其成员共用很少有人使用的标识。"),
    "gathering": ("{buyers} buyers who share identifiers with the promoter bought through it within {days} days.",
                  "{days} 天内有 {buyers} 名与推客共用标识的买家通过其下单。"),
    "deny_list": ("The {kind} {value} is on the list of those that are never paid.",
                  "{kind} {value} 在黑名单中。"),
    "shared_identifier": ("Buyer and promoter share {identifiers} identifier(s); the rarest is used by {users} people.",
                          "买家与推客共用 {identifiers} 个标识，其中最少见的只有 {users} 人使用。"),
    "shared_with_upline": (
        "The buyer shares {identifiers} identifier(s) with the promoter's upline; {users} people use the rarest.",
        "买家与推客的上级共用 {identifiers} 个标识，其中最少见的只有 {users} 人使用。"),
    "own_team": ("The buyer belongs to the promoter's own team and bought {orders} times through it in {days} days.",
                 "买家属于推客自己的团队，{days} 天内通过其下单 {orders} 次。"),
    "purchase_cycle": ("The order closes a circle of {length} people, each of whom bought through the next.",
                       "该订单使 {length} 人依次通过对方下单，形成闭环。"),
    "buyer_velocity": ("The buyer placed {orders} orders within {minutes} minutes.",
                       "买家在 {minutes} 分钟内下单 {orders} 次。"),
    "promoter_velocity": ("{orders} orders were credited to the promoter within {minutes} minutes.",
                          "推客在 {minutes} 分钟内获得 {orders} 笔订单。"),
    "device_velocity": ("{buyers} buyers ordered from one device through one promoter within {minutes} minutes.",
                        "同一设备在 {minutes} 分钟内有 {buyers} 名买家通过同一推客下单。"),
    "ip_velocity": ("{buyers} buyers ordered from one network address through one promoter within {minutes} minutes.",
                    "同一网络地址在 {minutes} 分钟内有 {buyers} 名买家通过同一推客下单。"),
    "large_order": ("The goods cost {goods_minor} minor units of {currency}; from {amount_minor} on a person looks.",
                    "商品金额为 {goods_minor}（{currency} 最小货币单位），达到 {amount_minor} 的订单需人工审核。"),
    "fast_order": ("The order came {seconds} seconds after the link was opened.",
                   "打开链接后仅 {seconds} 秒就下单。"),
    "refund_habit": ("Of the buyer's last {orders} paid orders {refunded} were refunded.",
                     "买家最近 {orders} 笔已付订单中有 {refunded} 笔退款。"),
}  # fmt: skip

_RELATIONS: Mapping[str, tuple[str, str]] = {
    "placed": ("{from_} placed {to}", "{from_} 下了 {to}"),
    "credited_to": ("{from_} was credited to {to}", "{from_} 归因给 {to}"),
    "used": ("{from_} used {to}", "{from_} 使用过 {to}"),
    "same_person": ("{from_} and {to} are one person", "{from_} 与 {to} 是同一人"),
    "invited": ("{from_} invited {to}", "{from_} 邀请了 {to}"),
    "made": ("{from_} opened a link: {to}", "{from_} 打开了链接：{to}"),
    "accuses": ("{from_} accuses {to}", "{from_} 指向 {to}"),
    "knows": ("{from_} knows {to} from its members", "{from_} 的成员使用过 {to}"),
    "near": ("{from_} stands near {to}", "{from_} 与 {to} 有关联"),
    "bought_through": ("{from_} bought through {to}", "{from_} 通过 {to} 下单"),
}

_KINDS_ZH = {
    "promoter": "推客", "buyer": "买家", "person": "用户", "order": "订单", "touch": "触达", "case": "案件",
    "device": "设备", "ip": "网络地址", "phone": "手机号", "address": "地址", "payment_account": "支付账户",
    "payout_account": "收款账户", "sku": "商品", "link": "链接",
}  # fmt: skip
_KINDS_EN = {"ip": "network address", "payment_account": "payment account", "payout_account": "payout account"}

FOR_PROMOTERS = (
    "This commission is being verified. Once that is done it goes on, or we tell you what was decided.",
    "该笔佣金正在核实，核实完成后将继续结算，或告知您处理结果。",
)


def tell_finding(finding: Finding) -> tuple[str, str]:
    """Return a finding in English and in Chinese, for analysts."""
    return _fill(_FINDINGS[finding.rule_id], finding.detail)


def tell_edge(edge: Edge) -> tuple[str, str]:
    """Return an edge in English and in Chinese; the weight says how rare what it shows is."""
    english, chinese = _RELATIONS.get(edge.relation, ("{from_} – {relation} – {to}", "{from_} – {relation} – {to}"))
    from_kind, to_kind = (_KINDS_EN.get(kind, kind) for kind in (edge.from_kind, edge.to_kind))
    told = english.format(
        from_=f"{from_kind} {_short(edge.from_id)}", to=f"{to_kind} {_short(edge.to_id)}", relation=edge.relation
    )
    told_zh = chinese.format(
        from_=f"{_KINDS_ZH.get(edge.from_kind, edge.from_kind)} {_short(edge.from_id)}",
        to=f"{_KINDS_ZH.get(edge.to_kind, edge.to_kind)} {_short(edge.to_id)}",
        relation=edge.relation,
    )
    return f"{told[0].upper()}{told[1:]} (weight {edge.weight:.2f}).", f"{told_zh}（权重 {edge.weight:.2f}）。"


def _fill(templates: tuple[str, str], detail: Mapping[str, Any]) -> tuple[str, str]:
    known = {"currency": "CNY"} | dict(detail)  # findings made before amounts named their currency
    return templates[0].format(**known), templates[1].format(**known)


def _short(text: str) -> str:
    """Digests are long; their beginning tells them apart."""
    is_digest = len(text) == 64 and all(char in "0123456789abcdef" for char in text)
    return f"{text[:12]}…" if is_digest else text
