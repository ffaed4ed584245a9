"""Compares answers with the OpenAPI document: status, media type and shape."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse


def check_described(flask: Flask, method: str, path: str, answer: TestResponse) -> TestResponse:
    """Return an answer that is as described; fail for any other. Calls that do not exist are nobody's."""
    if "tests-description" not in flask.extensions:
        flask.extensions["tests-description"] = Description(flask)
    flask.extensions["tests-description"].check(method, path, answer)
    return answer


class Description:
    """The API's own description, as the judge of its answers."""

    def __init__(self, flask: Flask) -> None:
        self.document: dict[str, Any] = json.loads(flask.extensions["tuike-openapi"])
        self._map = flask.url_map.bind("localhost")
        self._validators: dict[tuple[str, str, int], Any] = {}

    def check(self, method: str, path: str, answer: TestResponse) -> None:
        """Fail when an answer is not as described."""
        template = self.find_template(method, path)
        operation = self.document["paths"].get(template, {}).get(method.lower()) if template else None
        if operation is None:
            return
        named = f"{method} {template}"
        described = operation["responses"].get(str(answer.status_code))
        assert described is not None, f"{named} answers {answer.status_code}, which is not described: {answer.text}"
        if "content" not in described:
            assert not answer.data, f"{named} answers {answer.status_code} with a body, which is not described"
            return
        assert answer.mimetype in described["content"], f"{named} answers {answer.mimetype}, which is not described"
        if answer.mimetype == "application/json":
            self._find_validator(template or "", method, answer.status_code).validate(answer.get_json())

    def find_template(self, method: str, path: str) -> str | None:
        """Return the described path that a request is for."""
        try:
            rule, _ = self._map.match(path.partition("?")[0], method=method, return_rule=True)
        except HTTPException:
            return None
        return re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule)

    def _find_validator(self, template: str, method: str, status: int) -> Any:
        key = (template, method, status)
        if key not in self._validators:
            described = self.document["paths"][template][method.lower()]["responses"][str(status)]
            schema = described["content"]["application/json"]["schema"] | {"components": self.document["components"]}
            self._validators[key] = jsonschema_rs.validator_for(schema, validate_formats=True)
        return self._validators[key]
