"""Properties of the pure money rules: parts never exceed the whole, nothing appears, nothing vanishes."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tests.property.money_shop import make_order
from tuike.commission import ChainLink, LineTerms, Plan, decide_split
from tuike.commission.rules import decide_left, decide_reversed
from tuike.orders import RefundExceedsPaid, RefundLine
from tuike.orders.rules import decide_refund_by_amount, decide_refund_by_lines
from tuike.shared import clock
from tuike.shared.money import MAX_AMOUNT_MINOR, cut_to_cap, share_of, spread
from tuike.shared.pages import decode_cursor, encode_cursor
from tuike.wallet import credit_postings, split_incoming, split_outgoing

# Small amounts are where rounding bites, large ones where digits are lost.
AMOUNTS = st.one_of(st.integers(1, 40), st.integers(1, 10**6), st.integers(1, MAX_AMOUNT_MINOR // 200))
RATES = st.one_of(st.integers(0, 10_000), st.sampled_from([0, 1, 300, 1000, 3333, 5000, 9999, 10_000]))


@st.composite
def splits(draw):
    plan = Plan(
        "default", 1, datetime(1970, 1, 1, tzinfo=UTC), draw(st.integers(1, 3)), draw(st.tuples(RATES, RATES, RATES)),
        7, 30, "last", "paid", draw(st.booleans()), draw(st.none() | st.integers(0, 10_000)),
    )  # fmt: skip
    own_rates = st.none() | st.lists(RATES, max_size=3).map(tuple)
    lines = [LineTerms(no, draw(AMOUNTS), draw(own_rates)) for no in range(draw(st.integers(1, 4)))]
    flags = draw(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=4))
    chain = [ChainLink(f"p{level}", active, buyer) for level, (active, buyer) in enumerate(flags)]
    split = decide_split(order_id="o", merchant_id="m", currency="CNY", plan=plan, lines=lines, chain=chain)
    return plan, chain, split


@given(st.data(), st.lists(st.integers(0, 10**12), max_size=8))
def test_a_spread_loses_nothing_and_no_part_exceeds_its_room(data, rooms):
    amount = data.draw(st.integers(0, sum(rooms)))
    parts = spread(amount, rooms)
    assert sum(parts) == amount
    assert all(0 <= part <= room for part, room in zip(parts, rooms, strict=True))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6), st.lists(st.integers(1, 10**6), max_size=6))
def test_spreads_that_follow_each_other_end_with_every_room_full(rooms, amounts):
    left = list(rooms)
    for amount in [*amounts, sum(rooms)]:
        parts = spread(min(amount, sum(left)), left)
        left = [room - part for room, part in zip(left, parts, strict=True)]
        assert min(left) >= 0
    assert left == [0] * len(rooms)


@given(st.lists(st.integers(0, 10**12), max_size=3), st.integers(0, 10**12))
def test_a_cut_never_exceeds_its_cap_nor_any_amount_and_wastes_less_than_a_unit_each(amounts, cap):
    cut = cut_to_cap(amounts, cap)
    assert sum(cut) <= cap or cut == amounts
    assert all(0 <= part <= amount for part, amount in zip(cut, amounts, strict=True))
    assert sum(cut) > min(cap, sum(amounts)) - max(len(amounts), 1)


@given(splits())
def test_all_levels_together_never_exceed_the_cap_nor_the_base_of_a_line(case):
    plan, _, split = case
    for line in split.lines:
        cap = line.base_minor if plan.order_cap_bps is None else share_of(line.base_minor, plan.order_cap_bps)
        assert sum(line.amounts_minor) <= cap <= line.base_minor
        for rate, amount in zip(line.rates_bps, line.amounts_minor, strict=True):
            assert 0 <= amount <= share_of(line.base_minor, rate)


@given(splits())
def test_only_active_others_within_the_plans_levels_earn(case):
    plan, chain, split = case
    for level, amount in enumerate(split.amounts_minor):
        assert amount == sum(line.amounts_minor[level] for line in split.lines)
        if amount:
            assert level < min(plan.levels_max, 3)
            assert chain[level].is_active
            assert plan.self_purchase or not chain[level].is_buyer
    assert [step.level for step in split.trace if step.step == "outcome"] == [1, 2, 3]


@given(splits())
def test_a_level_that_is_refused_changes_no_other_levels_amount_unless_a_cap_bites(case):
    _, _, split = case
    for line in split.lines:
        if not line.is_capped:
            for level, amount in enumerate(line.amounts_minor):
                assert amount in (0, share_of(line.base_minor, line.rates_bps[level]))


@given(splits(), st.data())
def test_reversals_only_grow_and_end_with_nothing_left(case, data):
    _, _, split = case
    refunded, before = [0] * len(split.lines), (0, 0, 0)
    assert decide_reversed(split, refunded) == before
    for _ in range(data.draw(st.integers(0, 5))):
        refunded = [
            data.draw(st.integers(so_far, line.base_minor)) for so_far, line in zip(refunded, split.lines, strict=True)
        ]
        after = decide_reversed(split, refunded)
        assert all(old <= new <= whole for old, new, whole in zip(before, after, split.amounts_minor, strict=True))
        before = after
    assert decide_reversed(split, [line.base_minor for line in split.lines]) == split.amounts_minor


@given(splits(), st.data())
def test_commission_never_exceeds_what_is_still_paid_for_the_line(case, data):
    _, _, split = case
    for line in split.lines:
        base_left = data.draw(st.integers(0, line.base_minor))
        left = [decide_left(line, level, base_left) for level in range(3)]
        assert sum(left) <= base_left
        assert all(part <= amount for part, amount in zip(left, line.amounts_minor, strict=True))


@given(splits(), st.data())
def test_an_uncut_level_keeps_its_own_rate_of_what_is_left(case, data):
    _, _, split = case
    for line in split.lines:
        base_left = data.draw(st.integers(0, line.base_minor))
        for level, amount in enumerate(line.amounts_minor):
            if amount and not line.is_capped:
                assert decide_left(line, level, base_left) == base_left * line.rates_bps[level] // 10_000


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_money_that_comes_in_or_goes_out_is_split_without_loss(amount, other):
    settled, rest = split_incoming(amount, other)
    taken, owed = split_outgoing(amount, other)
    assert settled + rest == amount == taken + owed
    assert 0 <= settled <= other
    assert 0 <= taken <= other
    assert rest == 0 or settled == other  # nothing becomes available while debt is left
    assert owed == 0 or taken == other  # no debt while anything is available
    assert sum(posting.amount_minor for posting in credit_postings("p", "world", amount, other, "CNY")) == amount


@st.composite
def order_lines(draw):
    lines = draw(st.lists(st.tuples(st.integers(1, 500), st.sampled_from("abc")), min_size=1, max_size=5))
    made = [(amount, draw(st.integers(0, amount)), sku) for amount, sku in lines]
    return make_order(made, shipping=draw(st.integers(0, 50)))


@given(order_lines(), st.integers(1, 3000))
def test_a_refund_by_amount_fits_every_line_and_touches_freight_last(order, amount):
    lefts = [line.left_minor for line in order.lines]
    try:
        parts, freight = decide_refund_by_amount(order, amount)
    except RefundExceedsPaid:
        assert amount > sum(lefts) + order.shipping_minor
        return
    assert sum(parts) + freight == amount
    assert all(0 <= part <= left for part, left in zip(parts, lefts, strict=True))
    assert freight == 0 or parts == lefts


@given(order_lines(), st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 300)), min_size=1, max_size=4))
def test_a_refund_by_lines_takes_from_the_named_skus_only_and_exactly_what_it_says(order, wanted):
    by_sku = dict.fromkeys("abc", 0)
    for sku, amount in wanted:
        by_sku[sku] += amount
    known = {line.sku for line in order.lines}
    if not {sku for sku, _ in wanted} <= known:
        return
    left = {sku: sum(line.left_minor for line in order.lines if line.sku == sku) for sku in "abc"}
    try:
        parts = decide_refund_by_lines(order, [RefundLine(sku, 1, amount) for sku, amount in wanted])
    except RefundExceedsPaid:
        assert any(by_sku[sku] > left[sku] for sku in "abc")
        return
    assert all(0 <= part <= line.left_minor for part, line in zip(parts, order.lines, strict=True))
    for sku in "abc":
        assert by_sku[sku] == sum(part for part, line in zip(parts, order.lines, strict=True) if line.sku == sku)


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_survive_microseconds_and_text(instant):
    assert clock.from_micros(clock.to_micros(instant)) == instant
    assert datetime.fromisoformat(clock.format_instant(instant)) == instant


@given(st.tuples(st.integers(0, 2**63 - 1), st.text()))
def test_cursors_survive(position):
    assert decode_cursor(encode_cursor(*position), int, str) == position
