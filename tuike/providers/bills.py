"""Bills of WeChat Pay and Alipay, from text to lines. Pure."""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone

from tuike.providers.amounts import parse_yuan, parse_yuan_micros
from tuike.providers.model import BillLine, FundLine, NotifyKind

_ZONE = timezone(timedelta(hours=8))


class BillUnreadable(Exception):
    """A bill is not as documented."""


def read_trade_bill(text: str) -> tuple[BillLine, ...]:
    """Return the lines of a WeChat Pay trade bill, proven against its own totals. Raises BillUnreadable.

    A refund has a line of its own, which repeats the payment it belongs to.
    """
    if not text.strip():
        return ()
    try:
        rows, totals = _read_table(text, "总交易单数")
        lines = tuple(_read_trade_row(row) for row in rows)
        is_whole = int(totals["总交易单数"]) == len(lines) and all(
            parse_yuan(totals[total]) == sum(parse_yuan(row[column]) for row in rows)
            for column, total in (("订单金额", "订单总金额"), ("申请退款金额", "申请退款总金额"))
        )
    except (KeyError, ValueError, csv.Error) as error:
        raise BillUnreadable from error
    if not is_whole:
        raise BillUnreadable("the lines do not add up to the totals")
    return lines


def read_fund_bill(text: str) -> tuple[FundLine, ...]:
    """Return the lines of a WeChat Pay fund flow bill, proven against its own totals. Raises BillUnreadable."""
    if not text.strip():
        return ()
    try:
        rows, totals = _read_table(text, "资金流水总笔数")
        lines = tuple(_read_fund_row(row) for row in rows)
        came = sum(line.amount_minor for line in lines if line.amount_minor > 0)
        left = -sum(line.amount_minor for line in lines if line.amount_minor < 0)
        is_whole = (
            int(totals["资金流水总笔数"]) == len(lines)
            and parse_yuan(totals["收入金额"]) == came
            and parse_yuan(totals["支出金额"]) == left
        )
    except (KeyError, ValueError, csv.Error) as error:
        raise BillUnreadable from error
    if not is_whole:
        raise BillUnreadable("the lines do not add up to the totals")
    return lines


def read_alipay_bill(text: str) -> tuple[BillLine, ...]:
    """Return the lines of Alipay's detailed trade bill; lines that start with # are remarks. Raises BillUnreadable."""
    rows = [row for row in csv.reader(io.StringIO(text)) if row and not row[0].lstrip("\ufeff").startswith("#")]
    if not rows:
        return ()
    names = [_clean(cell) for cell in rows[0]]
    try:
        return tuple(
            _read_alipay_row(dict(zip(names, (_clean(cell) for cell in row), strict=True))) for row in rows[1:]
        )
    except (KeyError, ValueError) as error:
        raise BillUnreadable from error


def _read_table(text: str, first_total: str) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Return the rows of a WeChat Pay bill and its totals: two tables, the second of one row."""
    table = [[_clean(cell) for cell in row] for row in csv.reader(io.StringIO(text)) if row]
    split = next((number for number, row in enumerate(table) if row[0] == first_total), None)
    if not split or len(table) != split + 2:
        raise ValueError("two tables were expected")
    names, totals = table[0], table[split]
    return list(_name(names, table[1:split])), dict(zip(totals, table[split + 1], strict=True))


def _name(names: list[str], rows: list[list[str]]) -> Iterator[dict[str, str]]:
    for row in rows:
        yield dict(zip(names, row, strict=True))


def _clean(cell: str) -> str:
    """Return a cell without the mark that keeps spreadsheets from taking numbers for numbers."""
    return cell.strip().lstrip("`").strip()


def _read_trade_row(row: Mapping[str, str]) -> BillLine:
    is_refund = row["交易状态"] in ("REFUND", "REVOKED")
    return BillLine(
        kind=NotifyKind.REFUND if is_refund else NotifyKind.PAYMENT,
        at=_read_time(row["交易时间"]),
        out_no=row["商户订单号"],
        provider_no=row["微信订单号"],
        out_refund_no=row["商户退款单号"] if is_refund else None,
        provider_refund_no=row["微信退款单号"] if is_refund else None,
        amount_minor=parse_yuan(row["申请退款金额"] if is_refund else row["订单金额"]),
        fee_micros=parse_yuan_micros(row["手续费"]),
        currency=row["货币种类"],
        state=row["退款状态"] if is_refund else row["交易状态"],
    )


def _read_fund_row(row: Mapping[str, str]) -> FundLine:
    amount = parse_yuan(row["收支金额(元)"])
    return FundLine(
        at=_read_time(row["记账时间"]),
        flow_no=row["资金流水单号"],
        provider_no=row["微信支付业务单号"],
        business=row["业务类型"],
        amount_minor=amount if row["收支类型"] == "收入" else -amount,
        balance_minor=parse_yuan(row["账户结余(元)"]),
        note=row["业务凭证号"],
    )


def _read_alipay_row(row: Mapping[str, str]) -> BillLine:
    is_refund = row["业务类型"] == "退款"
    fee_micros = abs(parse_yuan_micros(row["服务费（元）"]))
    return BillLine(
        kind=NotifyKind.REFUND if is_refund else NotifyKind.PAYMENT,
        at=_read_time(row["完成时间"]),
        out_no=row["商户订单号"],
        provider_no=row["支付宝交易号"],
        out_refund_no=row["退款批次号/请求号"] if is_refund else None,
        provider_refund_no=None,
        amount_minor=abs(parse_yuan(row["订单金额（元）"])),
        fee_micros=-fee_micros if is_refund else fee_micros,
        currency="CNY",
        state=row["业务类型"],
    )


def _read_time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_ZONE).astimezone(UTC)
