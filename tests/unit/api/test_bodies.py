"""Reading bodies: what is JSON, and what only looks like it."""

import contextlib
import io

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from api.bodies import MAX_BODY_BYTES, read_json
from api.errors import BodyTooLarge, UnsupportedMediaType
from tuike.shared.errors import Malformed


def _make_request(data: bytes, content_type: str | None = "application/json") -> Request:
    return Request(EnvironBuilder(method="POST", data=data, content_type=content_type).get_environ())


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"{'a': 1}", b'{"a": NaN}', b'{"a": -Infinity}', b"\xff\xfe{}", b'{"a": "\xed\xa0\x80"}', b"nul",
        b'{"a": 1} x', b'{"a": 1, "a": 1}', b'{"x": {"a": 1, "a": 2}}', b"[" * 200_000, b'{"a":' * 30_000,
        b'{"a": "\x01"}', b"\xef\xbb\xbf{}", b'{"a": 01}',
    ],
)  # fmt: skip
def test_what_is_not_json_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_json(_make_request(data))


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/xml", "application/json; charset=gbk"])
def test_another_content_type_is_not_supported(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        read_json(_make_request(b"{}", content_type))


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=UTF-8", "application/problem+json"]
)
def test_json_by_any_of_its_names_is_read(content_type: str) -> None:
    assert read_json(_make_request('{"a": "推"}'.encode(), content_type)) == {"a": "推"}


def test_an_empty_body_is_an_empty_object_where_it_may_be() -> None:
    assert read_json(_make_request(b"", None), optional=True) == {}


def test_a_number_of_any_length_is_read_without_harm_and_without_rounding() -> None:
    document = read_json(_make_request(b'{"a": 9007199254740993, "b": %s}' % (b"9" * 200_000)))
    assert document["a"] == 9007199254740993
    assert document["b"] >= 10**40


def test_a_body_of_unstated_length_is_not_cut_short_but_too_large() -> None:
    environ = EnvironBuilder(method="POST", content_type="application/json").get_environ()
    environ.pop("CONTENT_LENGTH", None)
    environ |= {"wsgi.input": io.BytesIO(b" " * (MAX_BODY_BYTES + 1)), "wsgi.input_terminated": True}
    request = Request(environ)
    request.max_content_length = MAX_BODY_BYTES
    with pytest.raises(BodyTooLarge):
        read_json(request)


def test_a_compressed_body_is_not_supported() -> None:
    environ = EnvironBuilder(method="POST", data=b"{}", content_type="application/json").get_environ()
    with pytest.raises(UnsupportedMediaType):
        read_json(Request(environ | {"HTTP_CONTENT_ENCODING": "gzip"}))


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        read_json(_make_request(data))
