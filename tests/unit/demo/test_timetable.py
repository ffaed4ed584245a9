"""The simulated courses of orders follow each other in time, and what is sent back fits what was bought."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from tuike.demo.data import Basket
from tuike.demo.timetable import choose_refund, list_months, make_courses, start_of_month
from tuike.orders import Line, LineInput, RefundLine

START = datetime(2017, 1, 31, 15, 59, tzinfo=UTC)
BASKETS = [Basket(f"b{n}", "hh-1", START + timedelta(hours=n), (LineInput("1", 1, 100),)) for n in range(2_000)]


def make_line(no, amount_minor, refunded_minor=0):
    return Line(no, f"sku-{no}", 2, amount_minor, refunded_minor, None, None)


def test_orders_are_paid_then_received_then_perhaps_sent_back():
    courses = make_courses(Random(1), BASKETS)
    assert courses == make_courses(Random(1), BASKETS)
    for basket, course in zip(BASKETS, courses, strict=True):
        instants = [at for at in (basket.placed_at, course.paid_at, course.received_at, course.refunded_at) if at]
        assert instants == sorted(instants)
        assert (course.refunded_at is None) == (course.refund is None)
        assert course.received_at is None or course.paid_at is not None
    assert 50 < sum(course.refund is not None for course in courses) < 150


@pytest.mark.parametrize("kind", ["whole", "part", "line"])
def test_what_is_sent_back_is_never_more_than_what_is_left(kind):
    lines = [make_line(0, 100, 40), make_line(1, 59)]
    amount_minor, refund_lines = choose_refund(kind, lines)
    assert (amount_minor is None) != (refund_lines is None)
    back = amount_minor if refund_lines is None else sum(line.amount_minor for line in refund_lines)
    assert 0 < back <= 119


def test_a_third_of_two_fen_is_the_dearest_line_instead():
    assert choose_refund("part", [make_line(0, 2)]) == (None, [RefundLine("sku-0", 2, 2)])


def test_a_month_begins_at_midnight_in_shanghai():
    assert start_of_month(START) == datetime(2016, 12, 31, 16, tzinfo=UTC)
    assert start_of_month(START + timedelta(minutes=1)) == datetime(2017, 1, 31, 16, tzinfo=UTC)
    assert start_of_month(START, later=12) == datetime(2017, 12, 31, 16, tzinfo=UTC)


def test_months_leave_no_gap():
    months = list_months([START, START + timedelta(days=100)])
    assert [f"{month:%Y-%m}" for month in months] == ["2017-01", "2017-02", "2017-03", "2017-04", "2017-05"]
