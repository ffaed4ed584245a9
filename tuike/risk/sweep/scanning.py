"""Compiled scans over bytes: is this CSV, are these instants, are these amounts. They find the first fault exactly."""

import numpy as np

from tuike.risk.model import MISSING
from tuike.risk.sweep.jit import compiled

FINE, NUL, COUNT, STRAY_QUOTE, OPEN_QUOTE, GIANT_FIELD, BLANK_LINE, LONE_RETURN = range(8)
FIELD_BYTES_MAX = 1 << 20
_MISSING = np.int64(MISSING)


@compiled
def scan_rows(data, columns):
    """Return (fault, line, column, rows, is_plain) for a whole CSV file with `columns` columns.

    `line` is where the faulty row starts and `column` counts from 1; `is_plain` says that every row is one line.
    """
    plain, quoted, closed, start = 0, 1, 2, 3
    state, line, row_line, column, rows = start, 1, 1, 1, 0
    blank_line, field_from, row_from, is_plain = 0, 0, 0, True
    size = data.size
    for at in range(size):
        byte = data[at]
        if byte == 0:
            return NUL, row_line, column, rows, is_plain
        if state == quoted:
            if byte == 34:
                state = closed
            elif byte == 10:
                line += 1
                is_plain = False
            if at - field_from > FIELD_BYTES_MAX:
                return GIANT_FIELD, row_line, column, rows, is_plain
        elif byte == 44:
            column += 1
            state, field_from = start, at + 1
        elif byte == 10:
            if column == 1 and (at == row_from or (at == row_from + 1 and data[row_from] == 13)):
                if blank_line == 0:
                    blank_line = row_line
            else:
                if blank_line:
                    return BLANK_LINE, blank_line, 1, rows, is_plain
                if column != columns:
                    return COUNT, row_line, column, rows, is_plain
                rows += 1
            line += 1
            row_line, column, state = line, 1, start
            row_from = field_from = at + 1
        elif byte == 13:
            if at + 1 < size and data[at + 1] != 10:
                return LONE_RETURN, row_line, column, rows, is_plain
        elif byte == 34:
            if state in (start, closed):
                state = quoted
            else:
                return STRAY_QUOTE, row_line, column, rows, is_plain
        elif state == closed:
            return STRAY_QUOTE, row_line, column, rows, is_plain
        else:
            state = plain
            if at - field_from > FIELD_BYTES_MAX:
                return GIANT_FIELD, row_line, column, rows, is_plain
    if state == quoted:
        return OPEN_QUOTE, row_line, column, rows, is_plain
    if row_from < size and not (size == row_from + 1 and data[row_from] == 13):
        if blank_line:
            return BLANK_LINE, blank_line, 1, rows, is_plain
        if column != columns:
            return COUNT, row_line, column, rows, is_plain
        rows += 1
    return FINE, 0, 0, rows, is_plain


@compiled
def _digits(data, at, count):
    value = 0
    for k in range(at, at + count):
        digit = data[k] - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@compiled
def parse_instants(data, offsets, out):
    """Fill `out` with microseconds since 1970 for RFC 3339 texts; return the first unreadable row, or -1."""
    for row in range(out.size):
        at, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        size = end - at
        if size == 0:
            out[row] = _MISSING
            continue
        if size < 20:
            return row
        year, month, day = _digits(data, at, 4), _digits(data, at + 5, 2), _digits(data, at + 8, 2)
        hour, minute, second = _digits(data, at + 11, 2), _digits(data, at + 14, 2), _digits(data, at + 17, 2)
        mark = data[at + 10]
        if (
            year < 1 or month < 1 or month > 12 or day < 1 or hour < 0 or hour > 23 or minute < 0 or minute > 59
            or second < 0 or second > 60 or data[at + 4] != 45 or data[at + 7] != 45 or data[at + 13] != 58
            or data[at + 16] != 58 or (mark not in {84, 116, 32})
        ):  # fmt: skip
            return row
        leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
        days = 31
        if month in (4, 6, 9, 11):
            days = 30
        elif month == 2:
            days = 29 if leap else 28
        if day > days:
            return row
        at += 19
        micros, unit = 0, 100_000
        if data[at] == 46:
            at += 1
            first = at
            while at < end and 48 <= data[at] <= 57:
                micros += (np.int64(data[at]) - 48) * unit
                unit //= 10
                at += 1
            if at == first:
                return row
        shift = 0
        if at == end - 1 and (data[at] == 90 or data[at] == 122):
            pass
        elif at == end - 6 and (data[at] == 43 or data[at] == 45) and data[at + 3] == 58:
            hours, minutes = _digits(data, at + 1, 2), _digits(data, at + 4, 2)
            if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
                return row
            shift = hours * 3600 + minutes * 60
            if data[at] == 45:
                shift = -shift
        else:
            return row
        # Days since 1970 by Howard Hinnant's civil calendar formula.
        y = year - 1 if month <= 2 else year
        era = y // 400
        yoe = y - era * 400
        doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
        date = era * 146_097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719_468
        out[row] = (date * 86_400 + hour * 3600 + minute * 60 + second - shift) * 1_000_000 + micros
    return -1


@compiled
def parse_amounts(data, offsets, out):
    """Fill `out` with whole numbers; return the first row that is none or lies beyond 18 digits, or -1."""
    for row in range(out.size):
        at, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        if at == end:
            out[row] = _MISSING
            continue
        negative = data[at] == 45
        if negative:
            at += 1
        if at == end or end - at > 18:
            return row
        value = 0
        for k in range(at, end):
            digit = np.int64(data[k]) - 48
            if digit < 0 or digit > 9:
                return row
            value = value * 10 + digit
        out[row] = -value if negative else value
    return -1
