"""Runs, saved queries, rules and their hits, and what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tuike.shared.errors import Conflict, NotFound, Refused, TuikeError

ROWS_MAX = 10_000
SECONDS_MAX = 60
SECONDS_DEFAULT = 10
BYTES_MAX = 16_000_000
QUERIES_PER_OWNER_MAX = 500
RULES_MAX = 200


class Outcome(StrEnum):
    """How a run ended; `running` also stands at one whose process died."""

    RUNNING = "running"
    OK = "ok"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


class Origin(StrEnum):
    """Where the text of a run came from."""

    TYPED = "typed"
    LIBRARY = "library"
    SAVED = "saved"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks. `sees_persons` is False where ids of persons are shown as pseudonyms."""

    id: str
    name: str
    sees_persons: bool = False
    is_operator: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One query that somebody asked, with what became of it."""

    id: str
    author_id: str
    author_name: str
    origin: Origin
    query_name: str | None
    text: str
    params: Mapping[str, Any]
    started_at: datetime
    duration_ms: int | None
    row_count: int | None
    outcome: Outcome
    message: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run answered, ready for JSON: nodes, edges and paths are maps with a `kind`."""

    run_id: str
    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    duration_ms: int
    masked: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query in the library."""

    name: str
    type: str
    default: Any
    about: str


@dataclass(frozen=True, slots=True)
class LibraryQuery:
    """A query that comes with tuike: `cypher/analysis/NAME.cypher`."""

    name: str
    about: str
    about_zh: str
    params: tuple[Parameter, ...]
    columns: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A query that somebody keeps; every change is a new version, the old ones stay readable."""

    id: str
    owner_id: str
    name: str
    about: str
    text: str
    params: Mapping[str, Any]
    shared: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """A query that runs by the clock; each row whose `column` reaches `threshold` is a hit."""

    id: str
    name: str
    owner_id: str
    query_id: str | None
    library_name: str | None
    params: Mapping[str, Any]
    column: str
    threshold: float
    every_minutes: int
    dry_run: bool
    enabled: bool
    version: int
    created_at: datetime
    next_at: datetime
    last_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that reached a rule's threshold, kept once for as long as the row stays the same."""

    id: str
    rule_id: str
    run_id: str
    value: float
    row: Mapping[str, Any] = field(repr=False)
    explanation: str = ""
    explanation_zh: str = ""
    dry_run: bool = True
    found_at: datetime | None = None
    seen_at: datetime | None = None


class QueryRefused(Refused):
    code, message = "query_refused", "The workbench does not run this query."


class TooManyQueries(TuikeError):
    code, status = "too_many_queries", 429
    message = "Too many queries run at once; wait for one to end."
    retry_after = 2


class QueryNotFound(NotFound):
    code, message = "query_not_found", "There is no such query, or it is not shared with you."


class RunNotFound(NotFound):
    code, message = "run_not_found", "There is no such run."


class RuleNotFound(NotFound):
    code, message = "rule_not_found", "There is no such rule."


class NameTaken(Conflict):
    code, message = "name_taken", "You have another one with this name."


class EditConflict(Conflict):
    code, message = "edit_conflict", "Somebody changed this meanwhile; read it again and repeat your change."


class TooMany(Refused):
    code, message = "too_many", "There are too many of these; delete what is not needed."
