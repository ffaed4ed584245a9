"""Loads the `.cypher` files, checks each header against its body, and hands statements out by name.

A file's path is its name: `cypher/team/list_upline.cypher` is `"team.list_upline"`. A file holds one statement that
takes everything from parameters, and begins with a header that says what it promises:

    // One sentence that says what it does.
    //
    // mode:    read | write
    // params:  $promoter_id  string   top of the team
    // returns: promoter_id string, level integer
    // cost:    one index seek, then at most three hops
    // sample:  {"promoter_id": "prm_demo"}

`returns: nothing` stands for a statement without RETURN. A line `// scans:   why` allows a statement of maintenance to
read a whole label; every other statement must start from an index.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CYPHER_DIR = Path(__file__).resolve().parents[2] / "cypher"

MODES = ("read", "write")
TYPES = ("string", "integer", "boolean", "list", "map")
_FIELDS = ("mode", "params", "returns", "cost", "sample", "scans")
_APART = ("analysis", "migrations")
"""Folders whose files are read by others."""
_WRITING = re.compile(r"\b(CREATE|MERGE|SET|DELETE|REMOVE|FOREACH|DROP)\b")
_FORBIDDEN = re.compile(r"\b(?:LOAD\s+CSV|USE)\b|\bCALL\s+\w", re.IGNORECASE)
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_UNBOUNDED = re.compile(r"\[[^\]]*\*(?!\d+\.\.\d+)[^\]]*\]")


class CypherFileWrong(Exception):
    """A `.cypher` file breaks a rule of this module; the message names the file and the rule."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One checked `.cypher` file. `params` and `returns` map a name to its type, in the order of the header."""

    name: str
    summary: str
    mode: str
    params: Mapping[str, str]
    returns: Mapping[str, str]
    cost: str
    sample: Mapping[str, Any]
    scans: str | None
    text: str


class CypherLibrary:
    """Every statement of the service by name, checked when it is loaded.

    Raises CypherFileWrong for the first file that breaks a rule.
    """

    def __init__(self, directory: Path = CYPHER_DIR) -> None:
        files = sorted(path for path in directory.glob("*/*.cypher") if path.parent.name not in _APART)
        if not files:
            raise CypherFileWrong(f"{directory}: there is no .cypher file")
        self._statements = {
            statement.name: statement
            for statement in (
                parse_statement(f"{path.parent.name}.{path.stem}", path.read_text(encoding="utf-8")) for path in files
            )
        }

    def get(self, name: str) -> Statement:
        """Return the statement of that name. Raises KeyError: a wrong name is a defect, not an input."""
        return self._statements[name]

    def __iter__(self) -> Iterator[Statement]:
        return iter(self._statements.values())

    def __len__(self) -> int:
        return len(self._statements)


def parse_statement(name: str, source: str) -> Statement:
    """Read one file and hold its header against its body.

    Raises CypherFileWrong when a field is missing, a parameter or a result differs between header and body, the mode
    does not fit the clauses, a relationship pattern has no bounds, or a value is written into the text.
    """

    def refuse(why: str) -> CypherFileWrong:
        return CypherFileWrong(f"{name}: {why}")

    lines = source.splitlines()
    header = [line[2:].strip() for line in lines if line.startswith("//")]
    body = "\n".join(line for line in lines if not line.startswith("//")).strip()
    split = header.index("") if "" in header else len(header)
    summary, fields = " ".join(header[:split]), _read_fields(header[split + 1 :])
    missing = [field for field in _FIELDS if field != "scans" and field not in fields]
    if not summary or missing:
        raise refuse(f"the header lacks {', '.join(missing) or 'a summary'}")
    try:
        sample = json.loads(fields["sample"])
    except ValueError as error:
        raise refuse("sample is not JSON") from error
    statement = Statement(
        name=name,
        summary=summary,
        mode=fields["mode"],
        params=_read_params(fields["params"], refuse),
        returns=_read_returns(fields["returns"], refuse),
        cost=fields["cost"],
        sample=sample,
        scans=fields.get("scans"),
        text=body,
    )
    _check_body(statement, refuse)
    return statement


def _read_fields(lines: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    last = ""
    for line in lines:
        key, colon, rest = line.partition(":")
        if colon and key in _FIELDS:
            last = key
            fields[key] = rest.strip()
        elif last:
            fields[last] += "\n" + line
    return fields


def _read_params(text: str, refuse: Any) -> dict[str, str]:
    if text == "none":
        return {}
    params = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or not words[0].startswith("$") or words[1] not in TYPES:
            raise refuse(f"params line {line!r} is not: $name type comment")
        params[words[0][1:]] = words[1]
    return params


def _read_returns(text: str, refuse: Any) -> dict[str, str]:
    if text == "nothing":
        return {}
    returns = {}
    for part in " ".join(text.split()).split(", "):
        words = part.split()
        if len(words) != 2 or words[1].removesuffix("?") not in TYPES:
            raise refuse(f"returns part {part!r} is not: name type")
        returns[words[0]] = words[1]
    return returns


def _check_body(statement: Statement, refuse: Any) -> None:
    body = statement.text
    if "//" in body or "/*" in body:
        raise refuse("comments belong into the header")
    if ";" in body:
        raise refuse("a file holds one statement, without a semicolon")
    if _STRING.search(body):
        raise refuse("values come by parameter, not in the text")
    if _UNBOUNDED.search(body):
        raise refuse("a relationship pattern of variable length needs both bounds")
    if _FORBIDDEN.search(body):
        raise refuse("LOAD CSV, USE and procedures are not for the service")
    if statement.mode not in MODES:
        raise refuse(f"mode is read or write, not {statement.mode!r}")
    if (statement.mode == "write") != bool(_WRITING.search(body)):
        raise refuse(f"mode {statement.mode} does not fit the clauses")
    used = set(re.findall(r"\$(\w+)", body))
    if used != set(statement.params):
        raise refuse(f"params differ between header and body: {sorted(used ^ set(statement.params))}")
    if set(statement.sample) != set(statement.params):
        raise refuse(f"sample and params differ: {sorted(set(statement.sample) ^ set(statement.params))}")
    returned = _returned_names(body)
    if returned != list(statement.returns):
        raise refuse(f"returns says {list(statement.returns)}, the body returns {returned}")


def _returned_names(body: str) -> list[str]:
    """Return the names after AS in the last RETURN of the statement, top level only, in order."""
    depth, start = 0, None
    for match in re.finditer(r"[({\[]|[)}\]]|\bRETURN\b", body):
        found = match.group()
        if len(found) > 1:
            start = match.end() if depth == 0 else start
        else:
            depth += 1 if found in "({[" else -1
    if start is None:
        return []
    tail = re.split(r"\b(?:ORDER BY|SKIP|LIMIT)\b", body[start:])[0]
    flat, depth = "", 0
    for char in tail:
        depth += (char in "({[") - (char in ")}]")
        flat += char if depth == 0 else ""
    return re.findall(r"\bAS\s+(\w+)", flat)
