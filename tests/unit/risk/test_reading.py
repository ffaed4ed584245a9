"""Input files: every fault is named by file, line and column before anything is computed."""

from pathlib import Path

import pytest

from tuike.risk.model import MISSING, InputFault
from tuike.risk.sweep import read_world

ORDERS = "order_id,buyer_id,promoter_id,sku,amount_minor,placed_at,paid_at,received_at,refunded_at\n"
IDENTIFIERS = "account_kind,account_id,kind,value,seen_at\n"


def write(directory: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (directory / f"{name}.csv").write_bytes(data)
    return directory


def get_fault(directory: Path) -> tuple[str, int, str]:
    with pytest.raises(InputFault) as caught:
        read_world(directory)
    return caught.value.file, caught.value.line, caught.value.column


@pytest.mark.parametrize(
    ("name", "content", "line", "column"),
    [
        ("orders", ORDERS + "o1,b1,p1,s,1,,,\n", 2, "refunded_at"),
        ("orders", ORDERS + "o1,b1,p1,s,1,,,,\no1,b1,p1,s,1,,,,,\n", 3, "10"),
        ("orders", ORDERS + "o1,b1,p1,s,1.5,,,,\n", 2, "amount_minor"),
        ("orders", ORDERS + "o1,b1,p1,s,1,,,,\no1,b1,p1,s,x,,,,\n", 3, "amount_minor"),
        ("orders", ORDERS + "o1,b1,p1,s,9999999999999999999,,,,\n", 2, "amount_minor"),
        ("orders", ORDERS + "o1,b1,p1,s,1,2026-01-31,,,\n", 2, "placed_at"),
        ("orders", ORDERS + "o1,b1,p1,s,1,2026-01-31T12:00:00,,,\n", 2, "placed_at"),
        ("orders", ORDERS + "o1,b1,p1,s,1,,2026-02-30T12:00:00Z,,\n", 2, "paid_at"),
        ("orders", ORDERS + "o1,b1,p1,s,1,,,2026-02-28T24:00:00Z,\n", 2, "received_at"),
        ("orders", ORDERS + ",b1,p1,s,1,,,,\n", 2, "order_id"),
        ("orders", "buyer_id\nb\n", 1, "order_id"),
        ("orders", ORDERS + '"o\n1",b1,p1,s,1,,,,\no2,b1,p1,s,x,,,,\n', 4, "amount_minor"),
        ("orders", ORDERS + "o1,b1,p1,s,1,,,,\n\no2,b1,p1,s,1,,,,\n", 3, "order_id"),
        ("orders", ORDERS + 'o1,b1,p1,"s,1,,,,\n', 2, "sku"),
        ("orders", ORDERS + 'o1,b1,p"1,s,1,,,,\n', 2, "promoter_id"),
        ("orders", ORDERS + 'o1,"b"1,p1,s,1,,,,\n', 2, "buyer_id"),
        ("orders", ORDERS + "o1,b1,p1,s\0,1,,,,\n", 2, "sku"),
        ("orders", ORDERS.encode() + b"o1,b1,p1,s,1,,,,\no2,b\xff,p1,s,1,,,,\n", 3, "buyer_id"),
        ("orders", ORDERS + f'o1,"{"b" * (1 << 21)}",p1,s,1,,,,\n', 2, "buyer_id"),
        ("orders", "", 1, "order_id"),
        ("orders", ORDERS.replace("sku", "buyer_id"), 1, "buyer_id"),
        ("identifiers", IDENTIFIERS + "seller,a,device,d,\n", 2, "account_kind"),
        ("identifiers", IDENTIFIERS + "buyer,a,device,d,\n,a,device,d,\n", 3, "account_kind"),
        ("identifiers", IDENTIFIERS + "buyer,,device,d,\n", 2, "account_id"),
        ("identifiers", IDENTIFIERS + "buyer,a,device,d,yesterday\n", 2, "seen_at"),
        ("promoters", "promoter_id,joined_at\np1,\np2,\np1,\n", 4, "promoter_id"),
        ("buyers", "buyer_id\nb1\nb1\n", 3, "buyer_id"),
        ("touches", "touch_id,promoter_id\nt1,\nt1,\n", 3, "touch_id"),
        ("same_person", "promoter_id,buyer_id\np1,\n", 2, "buyer_id"),
    ],
)
def test_a_fault_is_named_by_file_line_and_column(
    tmp_path: Path, name: str, content: str | bytes, line: int, column: str
) -> None:
    write(tmp_path, **{name: content})
    assert get_fault(tmp_path) == (f"{name}.csv", line, column)


def test_any_file_and_any_column_but_the_ids_may_be_absent(tmp_path: Path) -> None:
    write(tmp_path, orders="order_id\no1\no1\n", promoters="promoter_id,joined_at,inviter_id\n")
    world = read_world(tmp_path)
    assert (world.promoters, world.buyers, len(world.orders.order_ids)) == (0, 0, 1)
    assert world.orders.placed_at.tolist() == [MISSING, MISSING]


def test_a_directory_without_any_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_world(tmp_path)


def test_columns_may_stand_in_any_order_with_quotes_marks_and_both_line_ends(tmp_path: Path) -> None:
    text = 'sku,order_id,placed_at,buyer_id\r\n"a,""b""\n",o1,2026-01-31t12:00:00.25+08:00,b1\r\n'
    write(tmp_path, orders=b"\xef\xbb\xbf" + text.encode())
    world = read_world(tmp_path)
    assert world.orders.sku_ids.to_pylist() == ['a,"b"\n']
    assert world.orders.placed_at.tolist() == [1_769_832_000_250_000]


def test_unknown_columns_and_identifier_kinds_are_warnings(tmp_path: Path) -> None:
    write(tmp_path, identifiers="account_kind,account_id,kind,value,colour\nbuyer,b,passport,x,red\nbuyer,c,ip,::1,\n")
    world = read_world(tmp_path)
    assert len(world.warnings) == 2
    assert world.identifiers.account.size == 1
    assert world.buyers == 2


def test_every_account_named_anywhere_is_known(tmp_path: Path) -> None:
    write(
        tmp_path,
        promoters="promoter_id,joined_at,inviter_id\np1,,p0\n",
        touches="touch_id,promoter_id,buyer_id,parent_touch_id,at\nt,p2,b2,t9,\n",
        orders=ORDERS + "o1,b3,p3,s,1,,,,\n",
        same_person="promoter_id,buyer_id\np4,b4\n",
        identifiers=IDENTIFIERS + "promoter,p5,device,d,\nbuyer,b5,device,d,\n",
        buyers="buyer_id\nb1\n",
    )
    world = read_world(tmp_path)
    assert sorted(world.promoter_ids.to_pylist()) == ["p0", "p1", "p2", "p3", "p4", "p5"]
    assert sorted(world.buyer_ids.to_pylist()) == ["b1", "b2", "b3", "b4", "b5"]


def test_equal_values_of_two_kinds_are_two_identifiers(tmp_path: Path) -> None:
    write(tmp_path, identifiers=IDENTIFIERS + "buyer,a,device,7,\nbuyer,b,phone,7,\n")
    assert len(set(read_world(tmp_path).identifiers.token.tolist())) == 2
