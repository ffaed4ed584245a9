"""Examples of answers, put together from the shapes that are described and the samples of their fields.

No answer is written down whole: a field that joins a shape joins its examples, or fails here until it has a sample.
"""

from collections.abc import Mapping
from typing import Any

from api.samples import BY_SCHEMA, COMMON, TEXTS

ERROR_EXAMPLES: list[dict[str, Any]] = [
    {
        "error": {
            "code": "validation_failed",
            "message": "Some fields are not usable.",
            "fields": {"lines.0.amount_minor": ["Must be a whole number."]},
            "request_id": "01K9ZJ3V5W8Y4N6T2R0QAXGB7M",
        }
    },
    {
        "error": {
            "code": "postgres_unavailable",
            "message": "The database cannot be reached; try again.",
            "part": "postgres",
            "request_id": "01K9ZJ3V5W8Y4N6T2R0QAXGB7N",
        }
    },
]

_REF = "#/components/schemas/"


def add_examples(document: dict[str, Any]) -> None:
    """Give every successful answer of a description an example, and the error answer two."""
    components = document["components"]
    named = components.setdefault("examples", {})
    for item in document["paths"].values():
        for method, operation in item.items():
            if method == "parameters":
                continue
            for status, response in operation["responses"].items():
                if status < "400":
                    _add_to_response(operation["operationId"], response, components["schemas"], named)
    components["schemas"]["ErrorAnswer"]["examples"] = ERROR_EXAMPLES


def make_example(name: str, schemas: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return an example of a schema; what is `given` goes before its samples. Raises LookupError without a sample."""
    samples, described = {**BY_SCHEMA.get(name, {}), **(given or {})}, schemas[name]
    return {
        field: _make_value(f"{name}.{field}", field, shape, schemas, samples)
        for field, shape in described["properties"].items()
        if field in described.get("required", ()) or field in samples
    }


def _add_to_response(
    operation: str, response: dict[str, Any], schemas: Mapping[str, Any], named: dict[str, Any]
) -> None:
    for content in response.get("content", {}).values():
        schema = content.get("schema", {})
        if schema.get("$ref", "").startswith(_REF):
            name = schema["$ref"].removeprefix(_REF)
            named.setdefault(name, {"value": make_example(name, schemas)})
            content["examples"] = {"answer": {"$ref": f"#/components/examples/{name}"}}
        else:
            content["example"] = TEXTS[operation]


def _make_value(
    path: str, field: str, shape: Mapping[str, Any], schemas: Mapping[str, Any], samples: Mapping[str, Any]
) -> Any:
    nested = _find_nested(shape)
    if field in samples:
        sample = samples[field]
        return sample if nested is None else _fill(nested, sample, schemas)
    if nested is not None:
        one = make_example(nested, schemas)
        return [one] if _types_of(shape) & {"array"} else one
    if field in COMMON:
        return COMMON[field]
    if "enum" in shape:
        return shape["enum"][0]
    return _make_plain(path, _types_of(shape), shape)


def _make_plain(path: str, types: set[str], shape: Mapping[str, Any]) -> Any:
    """Return what says nothing, where nothing is known to say."""
    if "null" in types:
        return None
    if types == {"boolean"}:
        return False
    if types == {"array"} and _types_of(shape["items"]) <= {"object"}:
        return []
    raise LookupError(f"{path} has no sample in api/samples.py")


def _fill(nested: str, sample: Any, schemas: Mapping[str, Any]) -> Any:
    """Return a nested example, or several, each with the parts that are given."""
    if sample is None:
        return None
    if isinstance(sample, list):
        return [make_example(nested, schemas, one) for one in sample]
    return make_example(nested, schemas, sample)


def _find_nested(shape: Mapping[str, Any]) -> str | None:
    """Return the schema that a field holds, once or as a list; None for a plain value."""
    for inner in (shape, shape.get("items", {}), *shape.get("anyOf", ())):
        if inner.get("$ref", "").startswith(_REF):
            return str(inner["$ref"].removeprefix(_REF))
    return None


def _types_of(shape: Mapping[str, Any]) -> set[str]:
    found = shape.get("type", [])
    return {found} if isinstance(found, str) else set(found)
