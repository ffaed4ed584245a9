"""Every error a caller can meet is documented, with its status."""

import importlib
import pkgutil
import re
from pathlib import Path

import api
from tuike.shared.errors import TuikeError

_DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
_ROW = re.compile(r"^\| `([a-z_]+)` \| (\d{3}) \| (\S.*?) \|", re.MULTILINE)
_ABSTRACT = {"error"}
"""The code of TuikeError itself, which nothing raises as such."""


def _import_everything() -> None:
    import tuike

    for package in (api, tuike):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in found.name and not found.name.endswith(("__main__", "wsgi")):
                importlib.import_module(found.name)


def _list_errors(parent: type[TuikeError] = TuikeError) -> list[type[TuikeError]]:
    return [parent] + [error for child in parent.__subclasses__() for error in _list_errors(child)]


def test_every_error_code_is_documented_with_its_status_and_nothing_else_is() -> None:
    _import_everything()
    documented = {code: int(status) for code, status, _ in _ROW.findall(_DOCS.read_text())}
    raised = {error.code: error.status for error in _list_errors() if error.code not in _ABSTRACT}
    assert documented == raised


def test_one_code_has_one_status() -> None:
    _import_everything()
    statuses: dict[str, set[int]] = {}
    for error in _list_errors():
        statuses.setdefault(error.code, set()).add(error.status)
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}


def test_codes_are_snake_case_and_messages_are_sentences() -> None:
    _import_everything()
    for error in _list_errors():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code), error
        assert re.fullmatch(r"\S.*[.…)]", error.message), error


def test_every_refusal_named_by_a_route_exists() -> None:
    _import_everything()
    known = {f"{error.status} {error.code}" for error in _list_errors()}
    for routes in api.CAPABILITIES:
        for route in routes.declared:
            assert set(route.refusals) <= known, (route.method, route.rule)


def test_the_documented_codes_are_in_order() -> None:
    codes = [code for code, _, _ in _ROW.findall(_DOCS.read_text())]
    assert codes == sorted(codes)
