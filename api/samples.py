"""One small story, told in samples of every field: what the examples of the description are put together from.

Xiaolin buys tea and a cup through a link of the promoter Chen and gets them; the cup is broken and its money goes back;
commission follows. `COMMON` has what a name means wherever it stands, `BY_SCHEMA` what one schema says more exactly.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from api.answers import instant
from tuike import commission, fulfilment, identity, offers, orders, risk, team, wallet, workbench
from tuike.catalog import MAIN_MERCHANT, ProductState, thumbnail_of
from tuike.shared.ids import PREFIXES
from tuike.shared.money import DEFAULT_CURRENCY

_BODY = "01K9ZJ000000000000000000{}"
_PICTURE = "9f2c1f0a6f0e4b0c8d5e7a3b1c2d4e6f9f2c1f0a6f0e4b0c8d5e7a3b1c2d4e6f.webp"
_MEDIA = "https://shop.example/media/"
_SHA256 = "5c8f0d6a3b1e4f7a9c2d8e6b0f4a1c3d5c8f0d6a3b1e4f7a9c2d8e6b0f4a1c3d"

_PLACED = datetime(2026, 11, 1, 0, 5, tzinfo=UTC)
_PAID = _PLACED + timedelta(minutes=1)
_SHIPPED = _PLACED + timedelta(hours=27)
_RECEIVED = _PLACED + timedelta(days=3, hours=10)
_REFUNDED = _RECEIVED + timedelta(days=1)
_REQUESTED = _RECEIVED + timedelta(days=8)
_EARLIER = _PLACED - timedelta(days=40)

_TEA = {"price_minor": 12800, "quantity": 1, "amount_minor": 12157}
_CUP = {"price_minor": 3550, "quantity": 2, "amount_minor": 6743}
_GOODS_MINOR = _TEA["price_minor"] * _TEA["quantity"] + _CUP["price_minor"] * _CUP["quantity"]
_DISCOUNT_MINOR, _FREIGHT_MINOR = 1000, 800
_PAYABLE_MINOR = _GOODS_MINOR - _DISCOUNT_MINOR + _FREIGHT_MINOR
_BROKEN = {"no": 1, "quantity": 1, "amount_minor": 3371}


def sample_id(kind: str, letter: str = "0A") -> str:
    """Return an id of a kind of tuike.shared.ids.PREFIXES, the same each time; `letter` tells several apart."""
    return f"{PREFIXES[kind]}_{_BODY.format(letter)}"


_PLAN = commission.Plan(
    name="default", version=3, valid_from=_EARLIER, levels_max=2, rates_bps=(1000, 300, 0), holding_days=7,
    lock_days=30, attribution="last", base="paid", self_purchase=False, order_cap_bps=None,
)  # fmt: skip
_SPLIT = commission.decide_split(
    order_id=sample_id("order"), merchant_id=MAIN_MERCHANT, currency=DEFAULT_CURRENCY, plan=_PLAN,
    lines=[commission.LineTerms(no, line["amount_minor"], None) for no, line in enumerate((_TEA, _CUP))],
    chain=[commission.ChainLink(sample_id("promoter", letter), is_active=True, is_buyer=False)
           for letter in ("0A", "0B")],
)  # fmt: skip
_EARNED_MINOR = _SPLIT.amounts_minor[0]


def _picture_url() -> str:
    return _MEDIA + thumbnail_of(_PICTURE)


def _commission(level: int) -> dict[str, Any]:
    steps = [step for step in _SPLIT.trace if step.level == level]
    return {
        "id": sample_id("commission") + f"_{level}",
        "promoter_id": _SPLIT.promoter_ids[level - 1],
        "level": level,
        "base_minor": _SPLIT.base_minor,
        "rate_bps": _SPLIT.rates_bps[level - 1],
        "amount_minor": _SPLIT.amounts_minor[level - 1],
        "reversed_minor": 0,
        "status": "pending",
        "due_at": instant(_RECEIVED + timedelta(days=_PLAN.holding_days)),
        "trace": [{"step": one.step, "level": one.level, "code": one.code, "detail": one.detail} for one in steps],
    }


def _edge(edge: risk.Edge) -> dict[str, Any]:
    english, chinese = risk.tell_edge(edge)
    return asdict(edge) | {"sentence": english, "sentence_zh": chinese}


_LARGEST_TEAMS = workbench.load_library()["largest_teams"]
_USED = risk.Edge("promoter", sample_id("promoter"), "used", "phone", _SHA256, 2.5)
_SHARED = {"identifiers": 1, "users": 2, "weight_milli": 2500}
_NEAR = risk.Reach("buyer", sample_id("shopper", "0C"), 0.6, 1, 1)
_IS_NEAR, _IS_NEAR_ZH = risk.tell_reach(_NEAR)
_FOUND, _FOUND_ZH = risk.tell_finding(risk.Finding("shared_identifier", 1, risk.Outcome.HOLD, risk.Mode.LIVE, _SHARED))

COMMON: Mapping[str, Any] = {
    # People, things and money, by the ids that name them.
    "address_id": sample_id("address"), "author_id": sample_id("staff"), "actor_id": sample_id("staff"),
    "assignee_id": sample_id("staff"), "owner_id": sample_id("staff"), "staff_id": sample_id("staff"),
    "brand_id": sample_id("brand"), "buyer_id": sample_id("shopper"), "shopper_id": sample_id("shopper"),
    "user_id": sample_id("shopper"), "case_id": sample_id("case"), "category_id": sample_id("category"),
    "coupon_id": sample_id("coupon"), "order_id": sample_id("order"), "payment_id": sample_id("payment"),
    "product_id": sample_id("product"), "promoter_id": sample_id("promoter"), "inviter_id": sample_id("promoter", "0B"),
    "query_id": sample_id("query"), "rule_id": sample_id("rule"), "run_id": sample_id("run"),
    "session_id": sample_id("session"), "sku_id": sample_id("sku"), "touch_id": sample_id("touch"),
    "withdrawal_id": sample_id("withdrawal"), "merchant_id": MAIN_MERCHANT, "merchant_ids": [MAIN_MERCHANT],
    "product_ids": [sample_id("product")], "parcel_id": sample_id("parcel"), "code": "7hQ2vXb9",
    "author_name": "王芳", "actor_name": "王芳", "assignee_name": "王芳", "made_by": sample_id("staff"),
    # When.
    "created_at": instant(_PLACED), "placed_at": instant(_PLACED), "paid_at": instant(_PAID),
    "shipped_at": instant(_SHIPPED), "refunded_at": instant(_REFUNDED), "joined_at": instant(_EARLIER),
    "at": instant(_PLACED), "updated_at": instant(_PAID), "published_at": instant(_EARLIER),
    "accepted_at": instant(_EARLIER), "added_at": instant(_PLACED), "started_at": instant(_REQUESTED),
    "expires_at": instant(_PLACED + timedelta(minutes=30)), "quoted_at": instant(_PLACED),
    "refresh_expires_at": instant(_PLACED + timedelta(days=30)), "last_used_at": instant(_PLACED),
    "found_at": instant(_REQUESTED), "seen_at": instant(_REQUESTED), "saved_at": instant(_PLACED),
    "decided_at": None, "requested_at": instant(_REQUESTED), "on_day": "2026-11-01",
    # How much.
    "currency": DEFAULT_CURRENCY, "rate_bps": _SPLIT.rates_bps[0], "version": 1, "level": 1, "position": 0, "depth": 1,
    "goods_minor": _GOODS_MINOR, "discount_minor": _DISCOUNT_MINOR, "freight_minor": _FREIGHT_MINOR,
    "payable_minor": _PAYABLE_MINOR, "attempts": 1, "fee_micros": 118200, "duration_ms": 12, "row_count": 1,
    "orders_count": 6, "joined_orders_count": 1, "commission_base_minor": 6 * _SPLIT.base_minor, "score": 9.4,
    # What it is called, where it is, how it looks.
    "name": "明前龙井 250 克", "nickname": "小林", "username": "fang", "title": "新茶上市", "detail": {}, "params": {},
    "picture": _PICTURE, "picture_url": _picture_url(), "thumbnail_url": _picture_url(), "picture_urls": [],
    "pictures": [], "spec": ["250 克"], "spec_names": ["规格"], "tags": ["新茶"], "subtitle": "一芽一叶", "note": "",
    "phone": "+8613800000000", "region": "浙江省 杭州市 西湖区", "region_code": "330106", "about": "",
    "provider": "wechat", "provider_no": "4200002026110100000000000001",
    "text": _LARGEST_TEAMS.text, "token_type": "Bearer", "expires_in": 900,
    "access_token": "eyJhbGciOiJIUzI1NiIs…", "refresh_token": "rt_1.eyJzIjoi…", "permissions": ["support"],
    "fingerprint": _SHA256[:32], "delivery": fulfilment.Delivery.PARCEL, "sku": sample_id("sku"), "quantity": 1,
    "locale": "zh-CN", "logins": ["wechat_mini"], "weight_grams": 250, "sold_count": 128, "limit_per_person": 5,
    "price_minor": _TEA["price_minor"], "price_from_minor": _TEA["price_minor"], "price_to_minor": _TEA["price_minor"],
    "list_price_minor": 15800, "available": 96, "in_stock": True, "is_open": True, "sha256": _SHA256,
}  # fmt: skip

_PERSON = {"name": "林小雨", "detail": "龙井路 1 号"}
_STAFF = {"id": sample_id("staff"), "name": "王芳", "status": "active", "has_second_factor": True,
          "last_login_at": instant(_PLACED)}  # fmt: skip
_CARD = {"id": sample_id("product")}
_BRIEF = {"id": sample_id("risk_case"), "state": "held", "source": "sweep", "pattern": "repeated_amounts",
          "summary": "Six orders of two buyers within an hour, all through one promoter who shares their phone.",
          "actions": risk.list_allowed(risk.CaseState.HELD), "created_at": instant(_REFUNDED), "version": 2,
          "updated_at": instant(_REQUESTED), "decided_at": instant(_REQUESTED),
          "decided_by": sample_id("staff")}  # fmt: skip
_CHARGE = {"id": sample_id("payment"), "state": "succeeded", "outcome": "paid_order", "amount_minor": _PAYABLE_MINOR,
           "expires_at": instant(_PLACED + timedelta(minutes=30))}  # fmt: skip
_PAYOUT = {"id": sample_id("payout"), "state": "waiting_for_user", "amount_minor": _EARNED_MINOR,
           "created_at": instant(_REQUESTED)}  # fmt: skip
_TERM = {"valid_from": instant(_EARLIER), "valid_to": instant(_EARLIER + timedelta(days=90))}
_QUERY = {"name": "teams", "about": "Teams by size."}

BY_SCHEMA: Mapping[str, Mapping[str, Any]] = {
    "AcceptanceAnswer": {"kind": identity.AgreementKind.PROMOTER},
    "AddressAnswer": {"id": sample_id("address"), "is_default": True, **_PERSON},
    "AddressShape": _PERSON,
    "AgreementAnswer": {"kind": "promoter", "title": "推客服务协议", "body": "一、推广须标明“推广赚佣金”。"},
    "AmountsAnswer": {"count": 6, "amount_minor": 6 * _EARNED_MINOR},
    "AnalysisDeleted": {"id": sample_id("query")},
    "AnalysisHitAnswer": {
        "id": sample_id("hit"), "row": {"promoter_id": sample_id("promoter"), "orders": 6}, "value": 6,
        "explanation": "orders is 6, at or above 5.", "explanation_zh": "orders 为 6，达到阈值 5。",
    },
    "AnalysisLibraryItem": {
        "name": _LARGEST_TEAMS.name, "about": _LARGEST_TEAMS.about, "about_zh": _LARGEST_TEAMS.about_zh,
        "columns": dict(_LARGEST_TEAMS.columns),
        "params": [
            {"name": param.name, "type": param.type, "default": param.default, "about": param.about}
            for param in _LARGEST_TEAMS.params
        ],
    },
    "AnalysisPlanAnswer": {
        "params": [param.name for param in _LARGEST_TEAMS.params], "plan": {"operator": "ProduceResults"},
    },
    "AnalysisQueryAnswer": {"id": sample_id("query"), **_QUERY},
    "AnalysisRowsAnswer": {
        "columns": list(_LARGEST_TEAMS.columns), "rows": [[sample_id("promoter"), 3, 2, 1, 0]],
    },
    "AnalysisRuleAnswer": {
        "id": sample_id("rule"), "name": "many orders from one device", "column": "orders", "threshold": 5,
        "every_minutes": 60, "next_at": instant(_REQUESTED), "enabled": True, "dry_run": True,
        "last_run_id": sample_id("run"),
    },
    "AnalysisRunAnswer": {"id": sample_id("run"), "origin": "typed", "outcome": "ok", "query_name": None},
    "AnalysisVersionAnswer": _QUERY,
    "AtStakeAnswer": {"pending_minor": 0, "frozen_minor": 6 * _EARNED_MINOR, "available_minor": 0,
                      "withdrawing_minor": 0},
    "AuditAnswer": {"id": 4711, "action": "put_product", "actor_kind": identity.CallerKind.STAFF,
                    "subject": sample_id("product"), "detail": {"request_id": "01K9ZJ3V5W"}},
    "BillAnswer": {
        "id": "wechat_2026-11-01", "payments": 1, "payments_minor": _PAYABLE_MINOR, "refunds": 0, "refunds_minor": 0,
        "open_differences": 1, "downloaded_at": instant(_SHIPPED),
    },
    "BillLineAnswer": {"what": "payment", "no": sample_id("payment"), "state": "SUCCESS", "at": instant(_PAID),
                       "amount_minor": _PAYABLE_MINOR},
    "BlastAnswer": {
        "case_id": sample_id("risk_case"), "promoter_ids": [sample_id("promoter")],
        "suspended_ids": [sample_id("promoter")], "shopper_ids": [sample_id("shopper")],
        "upline_promoter_ids": [sample_id("promoter", "0B")],
        "orders": [{"amount_minor": 6 * _SPLIT.base_minor}],
        "uplines": [{"amount_minor": 6 * _SPLIT.amounts_minor[1]}], "withdrawals": [], "under_way": [],
        "available": [],
    },
    "BrandAnswer": {"id": sample_id("brand"), "name": "西湖", "logo_url": _MEDIA + _PICTURE},
    "CartAnswer": {"version": 4},
    "CartLineAnswer": {"is_chosen": True, "price_seen_minor": _TEA["price_minor"]},
    "CaseAnswer": {
        "id": sample_id("case"), "kind": fulfilment.CaseKind.REFUND_ONLY, "state": "refunded",
        "reason": "破损", "description": "一只杯子碎了。", "answer": "抱歉，已退款。", "pictures": [_PICTURE],
        "picture_urls": [_picture_url()], "lines": [_BROKEN], "goods_minor": _BROKEN["amount_minor"],
        "freight_minor": 0, "amount_minor": _BROKEN["amount_minor"], "created_at": instant(_RECEIVED),
        "decided_at": instant(_REFUNDED), "ended_at": instant(_REFUNDED), "version": 3,
    },
    "CaseEventAnswer": {"no": 1, "action": "hold", "note": "one phone for all of them", "at": instant(_REQUESTED)},
    "CaseLineAnswer": _BROKEN,
    "CategoryAnswer": {"id": sample_id("category"), "name": "绿茶", "parent_id": sample_id("category", "0B")},
    "CategoryNode": {"id": sample_id("category"), "name": "绿茶", "parent_id": sample_id("category", "0B")},
    "ChargeAnswer": {
        **_CHARGE, "state": "pending", "outcome": None, "paid_at": None,
        "request": {"timeStamp": str(int(_PLACED.timestamp())), "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
                    "package": "prepay_id=wx01080500000000000000000000000000", "signType": "RSA",
                    "paySign": "oR9d8PuhnIc…"},
    },
    "ChargeRefundAnswer": {"id": sample_id("payment_refund"), "state": "succeeded", "cause": "after_sale",
                           "amount_minor": _BROKEN["amount_minor"], "created_at": instant(_RECEIVED),
                           "asked_at": instant(_RECEIVED), "provider_no": "50300002026110500000000000001"},
    "CheckAnswer": {"promoter_id": sample_id("promoter"), "outcome": "hold", "dry_outcome": "hold",
                    "checked_at": instant(_PAID), "reason": None},
    "CommissionAnswer": _commission(1),
    "CommissionList": {"items": [_commission(1), _commission(2)]},
    "ConsentAnswer": {"purpose": "marketing", "is_granted": True, "decided_at": instant(_EARLIER)},
    "CorrectionAnswer": {"id": sample_id("correction"), "change": 48, "available": 96, "reason": "delivery"},
    "CouponAnswer": {"id": sample_id("coupon"), "state": "used", "claimed_at": instant(_EARLIER),
                     "used_at": instant(_PAID), "valid_to": _TERM["valid_to"], "valid_from": _TERM["valid_from"]},
    "DeletedAnswer": {"id": sample_id("brand"), "is_deleted": True},
    "DetailAnswer": {
        **_CARD, "description": "<p>手工炒制。</p>", "merchant": {"id": MAIN_MERCHANT, "name": "茶馆"},
        "category_path": [{"id": sample_id("category", "0B"), "name": "茶"},
                          {"id": sample_id("category"), "name": "绿茶"}],
        "pictures": [{"url": _MEDIA + _PICTURE, "thumbnail_url": _picture_url()}],
    },
    "DifferenceAnswer": {
        "id": sample_id("difference"), "kind": "missing_here", "what": "payment", "no": sample_id("payment", "0B"),
        "theirs_minor": 9900, "theirs_state": "SUCCESS", "ours_minor": None, "ours_state": None, "note": None,
    },
    "Done": {"done": True},
    "EarningAnswer": {"from_minor": _TEA["price_minor"] // 10, "to_minor": _TEA["price_minor"] // 10},
    "EdgeAnswer": _edge(_USED),
    "EnrolmentAnswer": {"secret": "JBSWY3DPEHPK3PXP",
                        "uri": "otpauth://totp/tuike:fang?secret=JBSWY3DPEHPK3PXP&issuer=tuike"},
    "ErasureAnswer": {"erased": list(identity.ERASED), "kept": ["orders, refunds and their amounts, under the id"]},
    "EventAnswer": {"version": 2, "kind": "paid", "state": fulfilment.OrderState.TO_SHIP, "created_at": instant(_PAID)},
    "ExportAnswer": {
        "exported_at": instant(_REQUESTED), "profile": {"id": sample_id("shopper"), "nickname": "小林"},
        "orders": [{"id": sample_id("order"), "placed_at": instant(_PLACED)}], "logins": [{"kind": "wechat_mini"}],
    },
    "FacetsAnswer": {"counted": 1, "categories": {sample_id("category"): 1}, "brands": {sample_id("brand"): 1},
                     "tags": {"新茶": 1}},
    "FindingAnswer": {
        "rule_id": "shared_identifier", "action": "hold", "mode": "live", "detail": _SHARED, "sentence": _FOUND,
        "sentence_zh": _FOUND_ZH,
    },
    "FreightAnswer": {"unit": offers.FreightUnit.PIECE},
    "HomeShelfAnswer": {"id": sample_id("shelf")},
    "ImportJobAnswer": {
        "id": sample_id("import"), "state": "failed", "problem": "sheet_unreadable",
        "message": "1 faults; nothing was changed.", "byte_count": 4096,
        "products_done": 0, "started_at": instant(_PLACED), "finished_at": instant(_PAID),
    },
    "SheetFault": {"line": 7, "column": "price_minor", "messages": ["Must be a whole number."]},
    "ImportAnswer": {"created": 12, "changed": 3, "skus": 31},
    "LedgerAnswer": {"ok": True, "transactions": 5, "entries": 12, "sums": {DEFAULT_CURRENCY: 0}, "sealed": 5,
                     "unsealed": 0, "head": _SHA256, "breaks": []},
    "LineAnswer": {"no": 0, **_TEA, "refunded_minor": 0, "category": "绿茶"},
    "LinkAnswer": {"url": "https://shop.example/s/7hQ2vXb9", "channel": "moments"},
    "ListEntryAnswer": {"id": sample_id("risk_list_entry"), "list": "deny", "kind": "device", "value": _SHA256,
                        "reason": "one phone for all of them"},
    "LoggedOut": {"sessions_ended": 1},
    "ManagedBrandAnswer": {"id": sample_id("brand"), "name": "西湖", "logo": _PICTURE},
    "MediaAnswer": {"name": _PICTURE, "kind": "picture", "content_type": "image/webp", "byte_count": 48213,
                    "width": 1200, "height": 900, "url": _MEDIA + _PICTURE},
    "MerchantAnswer": {"id": MAIN_MERCHANT, "name": "茶馆", "status": "active"},
    "MovePreviewAnswer": {
        "moving": {"1": 2, "2": 1, "3": 0}, "refusal": None,
        "leaving": [{"level": 1, "promoter_id": sample_id("promoter", "0C")}],
        "entering": [{"level": 1, "promoter_id": sample_id("promoter", "0B")}],
    },
    "NamedAnswer": {"id": MAIN_MERCHANT, "name": "茶馆"},
    "NewStaffAnswer": {**_STAFF, "password": "vK3-mXp7-Qh2w", "must_change_password": True, "has_second_factor": False,
                       "lacks_second_factor": True, "last_login_at": None},
    "NoteAnswer": {"id": sample_id("note"), "body": "请轻放。"},
    "OpenCommissionItem": {"entries": 2, "amount_minor": _SPLIT.amounts_minor[1]},
    "OrderAnswer": {
        "id": sample_id("order"), "external_id": "o-1", "status": "received", "goods_minor": _SPLIT.base_minor,
        "shipping_minor": _FREIGHT_MINOR, "refunded_minor": 0, "received_at": instant(_RECEIVED),
        "plan_version": _PLAN.version,
        "lines": [{"no": 0, **_TEA}, {"no": 1, **_CUP, "sku": sample_id("sku", "0B"), "category": "茶具"}],
    },
    "OrderAttribution": {"model": _PLAN.attribution, "reason": orders.AttributionReason.LAST_TOUCH},
    "OrderCounts": {"unpaid": 0, "to_ship": 1, "shipped": 0, "completed": 3, "closed": 1, "after_sale": 0},
    "OwnHold": {"amount_minor": _EARNED_MINOR, "held_at": instant(_REFUNDED), "sentence": risk.FOR_PROMOTERS[0],
                "sentence_zh": risk.FOR_PROMOTERS[1]},
    "OwnPayoutAnswer": {**_PAYOUT, "request": {"mchId": "1900000109", "appId": "wx8888888888888888",
                                               "package": "affffddafdfafddffda=="}},
    "ParcelAnswer": {"id": sample_id("parcel"), "carrier": "SF", "tracking_no": "SF1023456789012",
                     "lines": [{"no": 0, "quantity": _TEA["quantity"]}, {"no": 1, "quantity": _CUP["quantity"]}]},
    "ParcelRow": {"row": 1, "order_no": "26110161803399", "error": None, "message": None},
    "ParcelRows": {"shipped_count": 1},
    "PathTouch": {"id": sample_id("touch")},
    "PayoutAnswer": {**_PAYOUT, "out_no": sample_id("payout").replace("_", ""), "note": None, "next_at": None,
                     "provider_no": "1330000071100999991182020050700019480001"},
    "PictureAnswer": {"url": _MEDIA + _PICTURE},
    "PiecesShape": {"no": 0},
    "PlanAnswer": {
        name: getattr(_PLAN, name) for name in ("attribution", "base", "holding_days", "levels_max", "lock_days",
                                                "order_cap_bps", "self_purchase", "version")
    } | {"rates_bps": list(_PLAN.rates_bps)},
    "PointAnswer": {"id": sample_id("pickup_point"), "name": "文一路自提点", "address": "文一路 2 号",
                    "hours": "09:00–20:00"},
    "PolicyAnswer": {"minimum_minor": 100, "fee_bps": 60, "daily_limit_minor": 500000, "review_above_minor": 100000},
    "ProductAnswer": {
        **_CARD, "code": "LJ-250", "description": "<p>手工炒制。</p>", "state": ProductState.ON_SALE,
        "listed_at": instant(_EARLIER), "created_at": instant(_EARLIER), "pictures": [_PICTURE],
        "picture_urls": [_MEDIA + _PICTURE], "rates_bps": [1200, 300],
    },
    "ProfileAnswer": {"id": sample_id("shopper"), "avatar_url": None, "created_at": instant(_EARLIER)},
    "PromoterAnswer": {"id": sample_id("promoter"), "name": "陈晨", "external_id": sample_id("shopper", "0B"),
                       "invite_code": "K7M2QX9DHR", "status": team.PromoterStatus.ACTIVE},
    "QuoteAnswer": {
        "can_be_placed": True,
        "lines": [
            {**_TEA, "price_seen_minor": _TEA["price_minor"]},
            {**_CUP, "price_seen_minor": _CUP["price_minor"], "sku_id": sample_id("sku", "0B"), "spec": ["青瓷"],
             "product_id": sample_id("product", "0B"), "name": "青瓷茶杯"},
        ],
    },
    "QuotedLineAnswer": {**_TEA, "problem": None},
    "ReconciliationAnswer": {
        "id": sample_id("reconciliation"), "lines": 2, "matched": 1, "differences": 1, "run_at": instant(_SHIPPED),
        "ours_minor": _PAYABLE_MINOR, "theirs_minor": _PAYABLE_MINOR + 9900,
    },
    "RecoveryCodes": {"recovery_codes": ["7K2M-QX9D", "H4RT-3WPN"]},
    "RefundAnswer": {"refund_id": "ref-1", "amount_minor": _BROKEN["amount_minor"], "shipping_minor": 0},
    "RefundLineAnswer": {"no": 1, "sku": sample_id("sku", "0B"), "amount_minor": _BROKEN["amount_minor"]},
    "RefundState": {"id": sample_id("refund"), "state": fulfilment.RefundState.SUCCEEDED, "failure": None,
                    "amount_minor": _BROKEN["amount_minor"]},
    "ReachAnswer": {"account_kind": "buyer", "account_id": sample_id("shopper", "0C"), "score": _NEAR.score,
                    "distance": _NEAR.distance, "members": _NEAR.members, "sentence": _IS_NEAR,
                    "sentence_zh": _IS_NEAR_ZH},
    "RiskCaseAnswer": {**_BRIEF, "members_count": 1,
                       "sentences": ["1 orders among its members joined since it was last found."],
                       "sentences_zh": ["自上次发现以来，成员之间新增 1 笔订单并入本案。"]},
    "RiskCaseBrief": _BRIEF,
    "RiskMemberAnswer": {"account_kind": "promoter", "account_id": sample_id("promoter"),
                         "role": "beneficiary", "accused": True, "held": True},
    "RiskRuleAnswer": {"id": "shared_identifier", "action": "hold", "mode": "live", "parameters": {"users_max": 5}},
    "SessionAnswer": {"id": sample_id("session"), "device": "iPhone 17", "is_current": True,
                      "expires_at": COMMON["refresh_expires_at"]},
    "ShelfAnswer": {"id": sample_id("shelf"), "shown": {"start": instant(_EARLIER), "end": None}},
    "ShopLineAnswer": {"no": 0, **_TEA, "shipped_quantity": _TEA["quantity"], "claimable_quantity": _TEA["quantity"],
                       "claimable_minor": _TEA["amount_minor"]},
    "ShopOrderAnswer": {
        "id": sample_id("order"), "no": "26110161803399", "state": "completed", "actions": ["after_sale"],
        "address": _PERSON, "receive_by": instant(_SHIPPED + timedelta(days=10)), "version": 5,
        "completed_at": instant(_RECEIVED), "pickup_code": None, "note": "",
        "lines": [
            {},
            {**_CUP, "no": 1, "sku_id": sample_id("sku", "0B"), "product_id": sample_id("product", "0B"),
             "name": "青瓷茶杯", "spec": ["青瓷"], "shipped_quantity": _CUP["quantity"],
             "claimable_quantity": _CUP["quantity"], "claimable_minor": _CUP["amount_minor"]},
        ],
    },
    "ShopperAnswer": {"id": sample_id("shopper"), "status": "active", "created_at": instant(_EARLIER)},
    "ShownAnswer": {"start": instant(_EARLIER)},
    "ShownCardAnswer": _CARD,
    "ShownSkuAnswer": {"id": sample_id("sku"), "earning_minor": _TEA["price_minor"] // 10},
    "SkuAnswer": {"id": sample_id("sku"), "code": "LJ-250-1", "reserved": 1, "sold": 128},
    "StaffAnswer": _STAFF,
    "StaffChargeAnswer": {**_CHARGE, "received_minor": _PAYABLE_MINOR, "note": None},
    "StaffTokens": {"name": "王芳"},
    "StockAnswer": {"state": "in_stock", "left": None},
    "SuggestionList": {"items": ["龙井", "龙井茶具"]},
    "SweepAnswer": {"id": sample_id("risk_sweep"), "state": "done", "finished_at": instant(_REQUESTED),
                    "stage": "merging", "stage_done": 0, "progressed_at": instant(_REQUESTED),
                    "counts": {"cases": {"opened": 1, "known": 0}}, "seconds": {"total": 2.4}},
    "Target": {"type": "product", "id": sample_id("product")},
    "TeamItem": {"promoter_id": sample_id("promoter", "0D"), "team_size": 2},
    "TeamSizes": {"levels": {"1": 2, "2": 1, "3": 0}},
    "TemplateAnswer": {
        "id": sample_id("coupon_template"), "name": "满 150 减 10", "kind": offers.CouponKind.FIXED,
        "amount_minor": _DISCOUNT_MINOR, "threshold_minor": 15000, "scope": offers.CouponScope.ALL, "scope_ids": [],
        "stock": 500, "claimed_count": 1, "per_person": 1, "claim_from": _TERM["valid_from"],
        "claim_to": _TERM["valid_to"], **_TERM, "merchant_id": None,
    },
    "TouchAnswer": {"id": sample_id("touch")},
    "TraceStep": _commission(1)["trace"][0],
    "UplineItem": {"promoter_id": sample_id("promoter", "0B")},
    "WalletAnswer": {"pending_minor": 0, "frozen_minor": 0, "available_minor": 0, "withdrawing_minor": _EARNED_MINOR,
                     "withdrawn_minor": 0, "debt_minor": 0},
    "WithdrawalAnswer": {"id": sample_id("withdrawal"), "amount_minor": _EARNED_MINOR, "fee_minor": 0,
                         "method": "wechat", "account": None, "status": wallet.WithdrawalStatus.APPROVED,
                         "reason": None, "decided_at": instant(_REQUESTED)},
    "ZoneShape": {"regions": ["33"], "first": 1, "first_minor": _FREIGHT_MINOR, "step": 1, "step_minor": 200,
                  "free_from_minor": 30000},
}  # fmt: skip

TEXTS: Mapping[str, str] = {
    "export_bill_differences": (
        "provider,on_day,kind,what,no,ours_minor,theirs_minor,ours_state,theirs_state,found_at,resolved_at,resolved_by,"
        f"note\r\nwechat,2026-11-01,missing_here,payment,{sample_id('payment', '0B')},,9900,,SUCCESS,"
        f"{COMMON['found_at']},,,\r\n"
    ),
    "export_catalogue": (
        "\ufeffproduct_code,state,name,subtitle,description,category,brand,tags,pictures,video,currency,rates_bps,"
        "spec_names,sku_code,spec,price_minor,list_price_minor,stock,limit_per_person,weight_grams,sku_picture\r\n"
        "LJ-250,on_sale,明前龙井 250 克,一芽一叶,<p>手工炒制。</p>,茶>绿茶,西湖,新茶,,,CNY,,规格,LJ-250-1,250 克,"
        "12800,15800,96,5,250,\r\n"
    ),
    "export_shop_orders": (
        "\ufeffno,state,in_after_sale,merchant_id,shopper_id,placed_at,paid_at,shipped_at,completed_at,currency,"
        "goods_minor,discount_minor,freight_minor,payable_minor,delivery,receiver,phone,region,detail,note,goods\r\n"
        f"26110161803399,to_ship,false,{MAIN_MERCHANT},{sample_id('shopper')},{instant(_PLACED)},{instant(_PAID)},,,CNY,"
        f"{_GOODS_MINOR},{_DISCOUNT_MINOR},{_FREIGHT_MINOR},{_PAYABLE_MINOR},parcel,林小雨,'+8613800000000,"
        "浙江省 杭州市 西湖区,龙井路 1 号,,明前龙井 250 克 ×1; 青瓷茶杯 ×2\r\n"
    ),
    "get_bill_text": "交易时间,公众账号ID,商户号,…\r\n`2026-11-01 08:06:00,`wx8888888888888888,`1900000109,…\r\n",
    "stream_my_order_events": (
        "retry: 3000\n\nid: 2\nevent: order\ndata: "
        f'{{"version":2,"kind":"paid","state":"to_ship","detail":{{}},"created_at":"{instant(_PAID)}"}}\n\n'
        ": still here\n\n"
    ),
}
"""What the calls that answer text answer, by their names."""
