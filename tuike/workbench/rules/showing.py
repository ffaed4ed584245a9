"""How answers are shown: as JSON, as a graph to draw, as CSV and GraphML, with pseudonyms in place of persons."""

import csv
import hashlib
import hmac
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_FORMULA = tuple("=+-@\t\r\n|%＝＋－＠")
"""What a spreadsheet may begin a formula with; where people write Chinese or Japanese, wide signs too."""
_UNSEEN = "\ufeff\u200b"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OURS = re.compile(r"(?:prm|ord|tch|lnk|bnd)_[0-9A-Z]{26}\Z")
_PSEUDONYM_CHARS = 12


def list_texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value that could be the id of a person: not keys, not ids that we made of things."""
    if isinstance(value, str):
        if value and len(value) <= 256 and not _OURS.match(value):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from list_texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from list_texts(item)


def make_pseudonym(kind: str, value: str, *, key: bytes) -> str:
    """Return the name by which a person is known to those who may not see who it is: always the same."""
    digest = hmac.new(key, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()
    return f"{kind}~{digest[:_PSEUDONYM_CHARS]}"


def replace_texts(value: Any, names: Mapping[str, str]) -> Any:
    """Return a JSON value with every text that has another name replaced by it."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, Mapping):
        return {key: replace_texts(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_texts(item, names) for item in value]
    return value


def to_graph(rows: Sequence[Sequence[Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the nodes and edges of an answer, each once; edges whose ends are not in the answer get bare ends."""
    nodes: dict[str, dict[str, Any]] = {}
    edges: dict[str, dict[str, Any]] = {}
    for row in rows:
        for value in row:
            _gather(value, nodes, edges)
    for edge in edges.values():
        for end in (edge["from"], edge["to"]):
            nodes.setdefault(end, {"id": end, "label": "", "properties": {}})
    return {"nodes": list(nodes.values()), "edges": list(edges.values())}


def _gather(value: Any, nodes: dict[str, dict[str, Any]], edges: dict[str, dict[str, Any]]) -> None:
    if isinstance(value, Mapping):
        kind = value.get("kind")
        if kind == "node" and _has(value, "id", "label"):
            nodes[value["id"]] = {name: value[name] for name in ("id", "label", "properties")}
        elif kind == "edge" and _has(value, "id", "type", "from", "to"):
            edges[value["id"]] = {name: value[name] for name in ("id", "type", "from", "to", "properties")}
        else:
            for item in value.values():
                _gather(item, nodes, edges)
    elif isinstance(value, list | tuple):
        for item in value:
            _gather(item, nodes, edges)


def _has(value: Mapping[str, Any], *names: str) -> bool:
    """Tell whether a map is a node or an edge as we write them: a query may make maps that only look like one."""
    return all(isinstance(value.get(name), str) for name in names) and isinstance(value.get("properties"), Mapping)


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as CSV for a spreadsheet: with a byte order mark, and nothing in it that would be a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_to_cell(name) for name in columns])
    writer.writerows([_to_cell(value) for value in row] for row in rows)
    return "\ufeff" + out.getvalue()


def _to_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    is_formula = text.startswith(_FORMULA) or text.strip().lstrip(_UNSEEN).lstrip().startswith(_FORMULA)
    return "'" + text if is_formula else text


def to_graphml(rows: Sequence[Sequence[Any]]) -> str:
    """Return the nodes and edges of an answer as GraphML."""
    import networkx as nx  # half a second, which every process would pay for the one answer in a thousand

    found = to_graph(rows)
    graph = nx.MultiDiGraph()
    for node in found["nodes"]:
        graph.add_node(_clean(node["id"]), label=_clean(node["label"]), **_to_attributes(node["properties"]))
    for edge in found["edges"]:
        graph.add_edge(
            _clean(edge["from"]), _clean(edge["to"]), key=_clean(edge["id"]), type=_clean(edge["type"]),
            **_to_attributes(edge["properties"]),
        )  # fmt: skip
    return "\n".join(nx.generate_graphml(graph, named_key_ids=False)) + "\n"


def _to_attributes(properties: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"p_{_clean(name)}": _clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in properties.items()
    }


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def explain_hit(rule_name: str, column: str, value: float, threshold: float, row: Mapping[str, Any]) -> tuple[str, str]:
    """Return why a row is a hit, in English and in Chinese."""
    rest = ", ".join(f"{name} = {_shorten(item)}" for name, item in row.items() if name != column)
    number, limit = f"{value:g}", f"{threshold:g}"
    english = f"{rule_name}: {column} is {number}, at or above {limit}" + (f" ({rest})." if rest else ".")
    chinese = f"{rule_name}：{column} 为 {number}，达到阈值 {limit}" + (f"（{rest}）。" if rest else "。")
    return english, chinese


def retell_hit(
    sentence: str, *, rule_name: str, column: str, value: float, row: Mapping[str, Any]
) -> tuple[str, str]:  # fmt: skip
    """Return the same of a row whose texts have other names now; the English sentence still knows the threshold.

    Names in a sentence may be cut short or spelt in another way, so they are not looked for there.
    """
    beginning = explain_hit(rule_name, column, value, 0.0, {})[0].removesuffix("0.")
    threshold = sentence.removeprefix(beginning).partition(" ")[0].removesuffix(".")
    return explain_hit(rule_name, column, value, float(threshold), row)


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
