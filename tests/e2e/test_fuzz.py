"""Whatever document is sent where a document is read, the answer is a clear refusal."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.conftest import Caller


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))  # fmt: skip
def test_no_json_document_is_a_defect(caller: Caller, value: Any) -> None:
    for path in ("orders", "promoters", "touches", "withdrawals", "links"):
        assert caller.post(path, data=json.dumps(value)).status_code in (400, 422)
        body = caller.order_body() | {"lines": value, "buyer_id": value, "target": value, "at": value}
        assert caller.post(path, data=json.dumps(body)).status_code in (400, 422)
