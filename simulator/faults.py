"""What goes wrong next, on request: for a call that comes in, and for a notify that goes out."""

from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

KINDS = frozenset({
    "error", "hang", "drop", "drip", "garbage", "huge", "bad_signature", "probe", "unsigned", "unknown_serial", "stale",
    "edit",
})  # fmt: skip
NOTIFY_KINDS = frozenset({"bad_signature", "probe", "unsigned", "unknown_serial", "stale", "garbage", "edit"})


class FaultUnknown(Exception):
    """There is no such fault; the message says what is wrong."""


@dataclass
class Fault:
    """What happens to the next `times` calls whose name matches `call` (`pay.prepay`, `pay.*`, `*`).

    error            answered with `status`, `code` and `message` in the host's own shape; nothing is done
    hang, drop       after `seconds` the connection is cut; with `when` "after" the call is carried out first
    drip             the answer comes byte by byte over `seconds`
    garbage, huge    something that is no JSON, or `body` as JSON; `bytes` of it
    bad_signature, probe, unsigned, unknown_serial, stale    what is wrong with the answer's signature
    edit             fields of the answer, by dotted path, replaced before it is signed
    """

    call: str
    kind: str
    times: int = 1
    status: int = 500
    code: str = "SYSTEM_ERROR"
    message: str = ""
    seconds: float = 0.0
    when: str = "before"
    bytes: int = 8_000_000
    edit: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass
class NotifyPolicy:
    """How notifies go out. `hold` keeps them until they are released; the others act on the next `times` ones."""

    hold: bool = False
    times: int = 0
    repeat: int = 0
    delay_seconds: float = 0.0
    drop: bool = False
    kind: str = ""
    edit: dict[str, Any] = field(default_factory=dict)


class Faults:
    """The faults that wait for their call."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []
        self.notifies = NotifyPolicy()

    def add(self, document: dict[str, Any]) -> Fault:
        """Put a fault at the end of the queue. Raises FaultUnknown."""
        fault = Fault(**_only_known(Fault, document))
        if fault.kind not in KINDS or fault.when not in ("before", "after"):
            raise FaultUnknown(f"kind is one of {sorted(KINDS)}, when is before or after")
        self.waiting.append(fault)
        return fault

    def set_policy(self, document: dict[str, Any]) -> NotifyPolicy:
        """Replace the policy for notifies. Raises FaultUnknown."""
        policy = NotifyPolicy(**_only_known(NotifyPolicy, document))
        if policy.kind and policy.kind not in NOTIFY_KINDS:
            raise FaultUnknown(f"kind is one of {sorted(NOTIFY_KINDS)}")
        if not policy.times and not policy.hold:
            policy.times = 1
        self.notifies = policy
        return policy

    def take(self, call: str) -> Fault | None:
        """Return the first fault that waits for this call, used up once."""
        for fault in self.waiting:
            if fnmatchcase(call, fault.call):
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
                return fault
        return None

    def take_policy(self) -> NotifyPolicy:
        """Return the policy for one notify, used up once."""
        policy = self.notifies
        if policy.times > 0:
            policy.times -= 1
            if policy.times == 0:
                self.notifies = NotifyPolicy(hold=policy.hold)
            return policy
        return NotifyPolicy(hold=policy.hold)


def edit_document(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with the fields at dotted paths replaced."""
    edited = dict(document)
    for path, value in changes.items():
        name, _, rest = path.partition(".")
        edited[name] = edit_document(dict(edited.get(name) or {}), {rest: value}) if rest else value
    return edited


def _only_known(kind: type, document: dict[str, Any]) -> dict[str, Any]:
    known = {one.name for one in fields(kind)}
    unknown = set(document) - known
    if unknown:
        raise FaultUnknown(f"unknown: {sorted(unknown)}; known: {sorted(known)}")
    if kind is Fault and not {"call", "kind"} <= set(document):
        raise FaultUnknown("call and kind are needed")
    return document
