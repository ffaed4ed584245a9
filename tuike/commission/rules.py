"""The split, and what of it a refund takes back. Pure; every amount here is an integer of the smallest unit."""

from collections.abc import Sequence

from tuike.commission.model import (
    ChainLink,
    EarningTerms,
    LineTerms,
    Plan,
    RatesTooHigh,
    Split,
    SplitLine,
    TooManyLevels,
    TraceStep,
)
from tuike.shared.money import BPS_WHOLE, cut_to_cap, scale_down, share_of

LEVELS_CEILING = 3
"""Commission never reaches a fourth level. A constant, not a setting: the law limits it (domain.md, commission 4)."""

_LEVELS = range(LEVELS_CEILING)
_NOBODY = (None,) * LEVELS_CEILING


def check_rates(rates_bps: Sequence[int], *, field: str) -> tuple[int, int, int]:
    """Return rates padded to three levels. Raises TooManyLevels or RatesTooHigh naming `field`.

    Together they may not promise more than the whole: a plan or line that does is a mistake, said at once.
    """
    if len(rates_bps) > LEVELS_CEILING:
        raise TooManyLevels(fields={field: [f"At most {LEVELS_CEILING} rates, one for each level."]})
    if any(rate < 0 for rate in rates_bps) or sum(rates_bps) > BPS_WHOLE:
        raise RatesTooHigh(fields={field: [f"Rates are 0 or more and together at most {BPS_WHOLE} bps."]})
    first, second, third = (*rates_bps, 0, 0, 0)[:LEVELS_CEILING]
    return first, second, third


def decide_split(
    *,
    order_id: str,
    merchant_id: str,
    currency: str,
    plan: Plan,
    lines: Sequence[LineTerms],
    chain: Sequence[ChainLink],
) -> Split:
    """Decide what each level earns from an order and say why, level by level.

    `chain` holds the attributed promoter first, then the inviters above as of placement; it may be shorter than three
    and is empty when the order belongs to nobody. Amounts are floor(base × rate / 10 000) per line; a line's own rates
    go before the plan's; the order cap, or else the base itself, cuts all levels of a line in proportion. A level that
    earns nothing passes nothing on. Source: domain.md, commission 1–4; contract.md, exact readings 5–7.
    """
    trace: list[TraceStep] = []
    refusals = [_refuse(level, chain, plan) for level in _LEVELS]
    open_levels = [refusal is None for refusal in refusals]
    split_lines = [_split_line(line, plan, open_levels) for line in lines]
    base_minor = sum(line.base_minor for line in lines)
    amounts = [sum(line.amounts_minor[level] for line in split_lines) for level in _LEVELS]
    rates = [_common_rate(split_lines, level, base_minor) for level in _LEVELS]
    for level in _LEVELS:
        trace += _explain_level(
            level,
            chain=chain,
            plan=plan,
            lines=lines,
            split_lines=split_lines,
            refusal=refusals[level],
            amount_minor=amounts[level],
        )
    promoter_ids = tuple(link.promoter_id for link in chain[:LEVELS_CEILING])
    return Split(
        order_id=order_id,
        merchant_id=merchant_id,
        currency=currency,
        base_minor=base_minor,
        holding_days=plan.holding_days,
        promoter_ids=(*promoter_ids, *_NOBODY)[:LEVELS_CEILING],  # type: ignore[arg-type]
        rates_bps=(rates[0], rates[1], rates[2]),
        amounts_minor=(amounts[0], amounts[1], amounts[2]),
        lines=tuple(split_lines),
        trace=tuple(trace),
    )


def preview_earning(terms: EarningTerms, *, base_minor: int) -> int:
    """Return what the promoter who shared would earn at least of goods paid with `base_minor`.

    Where a cap cuts, it cuts as if every level above were paid as well; with a shorter chain it may be more.
    """
    line = LineTerms(0, base_minor, terms.rates_bps)
    return _split_line(line, terms.plan, [level < terms.plan.levels_max for level in _LEVELS]).amounts_minor[0]


def find_first_rate(terms: EarningTerms) -> int:
    """Return the rate of the promoter who shared, in bps."""
    own = terms.plan.rates_bps if terms.rates_bps is None else terms.rates_bps
    return own[0] if own else 0


def _refuse(level: int, chain: Sequence[ChainLink], plan: Plan) -> str | None:
    """Return the code of the reason why a level is paid nothing whatever the rates, or None."""
    if not chain:
        return "no_attribution"
    if level >= plan.levels_max:
        return "level_closed"
    if level >= len(chain):
        return "no_inviter"
    if chain[level].is_buyer and not plan.self_purchase:
        return "self_purchase"
    if not chain[level].is_active:
        return "promoter_not_active"
    return None


def _split_line(line: LineTerms, plan: Plan, open_levels: Sequence[bool]) -> SplitLine:
    own = line.rates_bps if line.rates_bps is not None else plan.rates_bps
    rates = [own[level] if level < len(own) and level < plan.levels_max else 0 for level in _LEVELS]
    wanted = [share_of(line.base_minor, rates[level]) if open_levels[level] else 0 for level in _LEVELS]
    cap = line.base_minor if plan.order_cap_bps is None else share_of(line.base_minor, plan.order_cap_bps)
    paid = cut_to_cap(wanted, cap)
    # Rates beyond the whole can fit a base by rounding and outgrow a smaller one after a refund.
    exceeds_whole = sum(rate for rate, is_open in zip(rates, open_levels, strict=True) if is_open) > BPS_WHOLE
    return SplitLine(
        line.no,
        line.base_minor,
        (rates[0], rates[1], rates[2]),
        (paid[0], paid[1], paid[2]),
        is_capped=paid != wanted or exceeds_whole,
    )


def _common_rate(lines: Sequence[SplitLine], level: int, base_minor: int) -> int:
    """Return the level's rate when all lines share it, else the rate that the lines make together, floored."""
    rates = {line.rates_bps[level] for line in lines}
    if len(rates) == 1:
        return rates.pop()
    return sum(line.base_minor * line.rates_bps[level] for line in lines) // base_minor


def _explain_level(
    level: int,
    *,
    chain: Sequence[ChainLink],
    plan: Plan,
    lines: Sequence[LineTerms],
    split_lines: Sequence[SplitLine],
    refusal: str | None,
    amount_minor: int,
) -> list[TraceStep]:
    number = level + 1
    steps: list[TraceStep] = []
    if level < len(chain):
        code = "credited_by_attribution" if level == 0 else "inviter_as_of_placed_at"
        steps.append(TraceStep("binding", number, code, {"promoter_id": chain[level].promoter_id}))
    if refusal is not None:
        steps.append(TraceStep("outcome", number, refusal, {}))
        return steps
    for line, split in zip(lines, split_lines, strict=True):
        rate, paid = split.rates_bps[level], split.amounts_minor[level]
        code = "plan_rate" if line.rates_bps is None else "line_rate"
        steps.append(
            TraceStep("rule", number, code, {"line": line.no, "base_minor": line.base_minor, "rate_bps": rate,
                                             "plan_version": plan.version})
        )  # fmt: skip
        wanted = share_of(line.base_minor, rate)
        if split.is_capped and paid != wanted:
            code = "base_cap" if plan.order_cap_bps is None else "order_cap"
            cap_bps = BPS_WHOLE if plan.order_cap_bps is None else plan.order_cap_bps
            steps.append(
                TraceStep("cap", number, code, {"line": line.no, "cap_bps": cap_bps,
                                                "from_minor": wanted, "to_minor": paid})
            )  # fmt: skip
        elif line.base_minor * rate % BPS_WHOLE:
            steps.append(
                TraceStep("rounding", number, "floored", {"line": line.no, "amount_minor": paid,
                                                          "dropped_bps_minor": line.base_minor * rate % BPS_WHOLE})
            )  # fmt: skip
    if amount_minor:
        code = "paid"
    else:
        code = "below_one_unit" if any(split.rates_bps[level] for split in split_lines) else "rate_zero"
    steps.append(TraceStep("outcome", number, code, {"amount_minor": amount_minor}))
    return steps


def decide_left(line: SplitLine, level: int, base_left_minor: int) -> int:
    """Return what a level keeps of a line of which `base_left_minor` is still paid.

    floor(base left × rate / 10 000); a capped amount shrinks in proportion to the base instead. Partial refunds that
    add up to the whole leave exactly 0. Source: domain.md, commission 6; contract.md, exact reading 5.
    """
    amount = line.amounts_minor[level]
    if amount == 0:
        return 0
    if line.is_capped:
        return scale_down(amount, base_left_minor, line.base_minor)
    return share_of(base_left_minor, line.rates_bps[level])


def decide_reversed(split: Split, refunded_minor: Sequence[int]) -> tuple[int, int, int]:
    """Return, by level, how much of a split is taken back once `refunded_minor` of each line was refunded."""
    first, second, third = (
        sum(
            line.amounts_minor[level] - decide_left(line, level, line.base_minor - refunded)
            for line, refunded in zip(split.lines, refunded_minor, strict=True)
        )
        for level in _LEVELS
    )
    return first, second, third
