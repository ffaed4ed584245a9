"""Secrets and fingerprints."""

from hypothesis import given
from hypothesis import strategies as st

from tuike.identity import fingerprint_of
from tuike.identity.rules import looks_like_secret

_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _documents, max_size=5))
def test_the_order_of_fields_does_not_change_the_fingerprint(document: dict[str, object]) -> None:
    assert fingerprint_of(dict(reversed(document.items()))) == fingerprint_of(document)


def test_documents_of_different_types_differ() -> None:
    documents: list[object] = [{"a": 1}, {"a": "1"}, {"a": True}, {"a": 1.0}, {"a": [1]}, {"a": None}, {}, []]
    assert len({fingerprint_of(document) for document in documents}) == len(documents)


def test_only_a_printable_text_with_the_prefix_is_looked_up() -> None:
    assert looks_like_secret("tk_" + "a" * 43)
    assert not any(looks_like_secret(text) for text in ("", "sk_x", "tk_" + "a" * 300, "tk_\x00", "tk_推"))
