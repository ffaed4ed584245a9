"""Everything a stand-in knows."""

import hashlib
import itertools
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from simulator.faults import Faults
from simulator.keys import Keys, load_keys
from simulator.records import Record, Records

ZONE = timezone(timedelta(hours=8))


class World:
    """Keys, records, clock and faults; `lock` is held while anything of it is read or changed.

    `now` is the business clock, which can be moved: expiry, the day of confirmation, bill dates. Signatures go by the
    wall clock, as nobody's machine moves with ours, and by `skew_seconds`.
    """

    def __init__(self, directory: Path | None, *, time_factor: float = 1.0, keys: Keys | None = None) -> None:
        self.lock = threading.RLock()
        self.directory = directory
        self.time_factor = time_factor
        if directory is not None:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if keys is None:
            assert directory is not None
            keys = load_keys(directory)
        self.keys = keys
        self.records = Records(None if directory is None else directory / "state.sqlite")
        self.faults = Faults()
        self.skew_seconds = 0.0
        self.refund_seconds = 0.5
        self.signs_with = "asked"
        self.alipay_gateway_url = ""
        self.ripeners: list[Callable[[], None]] = []
        self.post: Callable[[Record], None] = lambda _: None
        self._numbers = itertools.count(len(self.records.list_all("payment")) + 1)
        clock = self.records.find("clock", "offset")
        self.offset = float(clock["seconds"]) if clock else 0.0

    def now(self) -> datetime:
        """Return the business clock's instant, in Beijing time."""
        return datetime.now(ZONE) + timedelta(seconds=self.offset)

    def wall(self) -> float:
        """Return the clock that signatures carry."""
        return time.time() + self.skew_seconds

    def advance(self, seconds: float) -> datetime:
        """Move the business clock."""
        self.offset += seconds
        self.records.put("clock", "offset", {"seconds": self.offset})
        self.ripen()
        return self.now()

    def ripen(self) -> None:
        """Let everything happen whose time has come."""
        with self.lock:
            for ripener in self.ripeners:
                ripener()

    def make_no(self, prefix: str) -> str:
        """Return a number of 28 digits such as the platforms give."""
        digits = f"{self.now():%Y%m%d}{next(self._numbers):06d}{secrets.randbelow(10**14):014d}"
        return (prefix + digits)[:28]

    def person(self, name: str) -> Record:
        """Return the simulated person of a name, born when first asked for."""
        known = self.records.find("person", name)
        if known is not None:
            return known
        digest = hashlib.sha256(f"{self.keys.names['app_id']}:{name}".encode()).digest()
        digits = int.from_bytes(digest[:8], "big")
        record: Record = {
            "name": name,
            "openid": "o" + urlsafe_b64encode(digest).decode()[:27],
            "unionid": "u" + urlsafe_b64encode(digest[::-1]).decode()[:27],
            "phone": f"139{digits % 10**8:08d}",
            "alipay_id": f"2088{digits % 10**12:012d}",
            "blocked": False,
            "consents": {},
        }
        self.records.put("openid", record["openid"], {"name": name})
        self.records.put("alipay_id", record["alipay_id"], {"name": name})
        return self.records.put("person", name, record)

    def find_person(self, openid: str) -> Record | None:
        """Return the person behind an openid."""
        known = self.records.find("openid", openid)
        return None if known is None else self.person(known["name"])


def to_text(instant: datetime) -> str:
    """Return an instant as WeChat Pay writes it."""
    return instant.astimezone(ZONE).isoformat(timespec="seconds")


def from_text(text: str) -> datetime:
    """Return the instant of an RFC 3339 text with its offset. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant without its offset")
    return instant.astimezone(UTC)
