"""Addresses are text as people enter them."""

import pytest

from tuike.risk.sweep.spelling import normalise_address, normalise_ip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Flat 3, 12 High Street", "12 high st. FLAT 3"),
        ("杭州市西湖区文一西路88号3栋2单元501室", "西湖区文一西路88号 3号楼2单元 501"),
        ("杭州市西湖区文一西路88号3栋2单元501室", "浙江省杭州市西湖区文一西路８８号3-2-501，放门口"),
        ("Çiğdem Road 5", "Cigdem rd. 5"),
    ],
)
def test_one_place_reads_the_same_however_it_is_spelled(one: str, other: str) -> None:
    assert normalise_address(one) == normalise_address(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("西湖区文一西路88号3栋2单元501室", "西湖区文一西路88号3栋2单元502室"),
        ("西湖区文一西路88号", "西湖区文二西路88号"),
        ("12 High Street", "13 High Street"),
    ],
)
def test_two_places_stay_two(one: str, other: str) -> None:
    assert normalise_address(one) != normalise_address(other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2409:8a00:1:2::5", "2409:8A00:1:2:9:9:9:9", True),
        ("2409:8a00:1:2::5", "2409:8a00:1:3::5", False),
        ("::ffff:10.1.2.3", "10.1.2.3", True),
        ("010.001.002.003", " 10.1.2.3 ", True),
        ("10.1.2.3", "10.1.2.4", False),
    ],
)
def test_network_addresses_are_compared_by_what_they_mean(one: str, other: str, same: bool) -> None:
    assert (normalise_ip(one) == normalise_ip(other)) is same
