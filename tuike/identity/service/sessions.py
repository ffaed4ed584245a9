"""Sessions: tokens handed out, turned and taken back; who calls; and how often one may try."""

from collections.abc import Collection
from datetime import datetime, timedelta

from tuike.db import Database, Transaction
from tuike.identity import rules
from tuike.identity.model.agreements import AgreementKind, AgreementNeeded
from tuike.identity.model.callers import Caller, CallerKind, Scope
from tuike.identity.model.sessions import (
    AccessClaims,
    RefreshClaims,
    RefreshTokenInvalid,
    Session,
    SessionNotFound,
    Tokens,
    TooManyRequests,
)
from tuike.identity.model.shoppers import AccountBanned, ShopperStatus
from tuike.identity.model.staff import StaffStatus
from tuike.identity.store import sessions as store
from tuike.identity.store import shoppers as shopper_store
from tuike.identity.store import staff as staff_store
from tuike.identity.vault import ACCESS_SECONDS, Vault
from tuike.shared.errors import Unauthenticated
from tuike.shared.ids import new_id

SHOPPER_LIFE = timedelta(days=30)
"""How long a shopper's device stays logged in without being used."""
STAFF_LIFE = timedelta(hours=12)
"""How long a staff session lives at most."""
KEEP_SESSIONS = timedelta(days=30)
MAX_SESSIONS = 20
_SHOPPER_SCOPES = frozenset({Scope.SHOPPER})


def open_session(
    tx: Transaction, vault: Vault, *, kind: CallerKind, owner_id: str, generation: int, device: str, now: datetime
) -> Tokens:
    """Log a device in. Of more than MAX_SESSIONS living sessions of one person the oldest end. Raises KeysMissing."""
    life = SHOPPER_LIFE if kind is CallerKind.SHOPPER else STAFF_LIFE
    session = Session(new_id("session"), kind, owner_id, generation, 0, now, device, now, now + life)
    store.insert_session(tx, session)
    living = store.list_sessions(tx, owner_id=owner_id, now=now)
    if len(living) > MAX_SESSIONS:
        oldest = [found.id for found in living[MAX_SESSIONS:]]
        store.end_sessions(tx, owner_id=owner_id, reason="too_many", now=now, only=oldest)
    return _hand_out(vault, session, turn=0, expires_at=session.expires_at, now=now)


def refresh_session(db: Database, vault: Vault, *, refresh_token: str, now: datetime) -> Tokens:
    """Exchange a refresh token for new tokens; each works once.

    A twin within ten seconds gets the same successor. A token that was used before ends its session, for one of its two
    holders stole it. Raises RefreshTokenInvalid, AccountBanned, KeysMissing.
    """
    claims = vault.read_refresh(refresh_token)
    if claims is None:
        raise RefreshTokenInvalid
    with db.transaction() as tx:  # what is found out about a stolen token is kept, so the refusal comes afterwards
        answer = _turn(tx, vault, claims, now=now)
    if isinstance(answer, Exception):
        raise answer
    return answer


def _turn(tx: Transaction, vault: Vault, claims: RefreshClaims, *, now: datetime) -> Tokens | Exception:
    session = store.lock_session(tx, session_id=claims.session_id)
    if session is None:
        return RefreshTokenInvalid()
    turn = rules.decide_turn(session, claims, now=now)
    if turn is rules.Turn.REUSED:
        store.end_sessions(tx, owner_id=session.owner_id, reason="reuse", now=now, only=[session.id])
    if turn in (rules.Turn.REUSED, rules.Turn.OVER):
        return RefreshTokenInvalid()
    refusal = _find_refusal(tx, session)
    if refusal is not None:
        return refusal
    if turn is rules.Turn.TWIN:
        return _hand_out(vault, session, turn=session.turn, expires_at=session.expires_at, now=now)
    expires_at = now + SHOPPER_LIFE if session.kind is CallerKind.SHOPPER else session.expires_at
    store.turn_session(tx, session_id=session.id, turn=session.turn + 1, expires_at=expires_at, now=now)
    return _hand_out(vault, session, turn=session.turn + 1, expires_at=expires_at, now=now)


def _find_refusal(tx: Transaction, session: Session) -> Exception | None:
    if session.kind is CallerKind.SHOPPER:
        shopper = shopper_store.find_shopper(tx, shopper_id=session.owner_id)
        if shopper is None or shopper.generation != session.generation:
            return RefreshTokenInvalid()
        return None if shopper.status is ShopperStatus.ACTIVE else AccountBanned()
    member = staff_store.find_staff(tx, staff_id=session.owner_id)
    is_good = member and member.generation == session.generation and member.status is StaffStatus.ACTIVE
    return None if is_good else RefreshTokenInvalid()


def _hand_out(vault: Vault, session: Session, *, turn: int, expires_at: datetime, now: datetime) -> Tokens:
    claims = AccessClaims(session.kind, session.owner_id, session.id, session.generation)
    return Tokens(
        session_id=session.id,
        access_token=vault.sign_access(claims, now=now),
        expires_in=ACCESS_SECONDS,
        refresh_token=vault.make_refresh(RefreshClaims(session.id, turn)),
        refresh_expires_at=expires_at,
    )


def read_caller(db: Database, vault: Vault, *, token: str, now: datetime) -> Caller | None:
    """Return whose access token this is, None unless it is good.

    A shopper's token is believed until it expires, without a query; staff are looked up at every request, so that one
    who was disabled or lost a permission is out at once, and one who gained a permission that needs a second factor
    has to enrol one first.
    """
    claims = vault.read_access(token, now=now)
    if claims is None:
        return None
    if claims.kind is CallerKind.SHOPPER:
        who = claims.subject_id
        return Caller(who, CallerKind.SHOPPER, _SHOPPER_SCOPES, who, "", claims.session_id, claims.generation)
    with db.transaction() as tx:
        member = staff_store.find_staff_by_session(tx, session_id=claims.session_id)
    if member is None or member.id != claims.subject_id or member.must_change_password:
        return None
    scopes = rules.scopes_of(member.permissions)
    return Caller(
        member.id, CallerKind.STAFF, scopes, None, member.name, claims.session_id, claims.generation,
        must_enrol=member.lacks_second_factor,
    )  # fmt: skip


def check_caller(tx: Transaction, *, caller: Caller, agreements: Collection[AgreementKind] = ()) -> None:
    """Ask PostgreSQL whether a shopper may still act, and has accepted the newest version of these agreements.

    The router asks before every change by a shopper, so that a ban, a log-out and an erasure hold at once for whatever
    moves something. Raises Unauthenticated, AccountBanned, AgreementNeeded. Other callers pass.
    """
    if caller.kind is not CallerKind.SHOPPER:
        return
    assert caller.session_id is not None
    found = store.find_standing(tx, shopper_id=caller.id, session_id=caller.session_id, kinds=list(agreements))
    if found is not None and found.status == ShopperStatus.BANNED:
        raise AccountBanned
    if found is None or found.ended_at is not None or found.generation != caller.generation:
        raise Unauthenticated
    if found.missing:
        pairs = (line.split(" ") for line in found.missing)
        raise AgreementNeeded({kind: int(version) for kind, version in pairs})


def list_sessions(tx: Transaction, *, owner_id: str, now: datetime) -> list[Session]:
    """Return the devices that are logged in, newest first."""
    return store.list_sessions(tx, owner_id=owner_id, now=now)


def end_session(tx: Transaction, *, owner_id: str, session_id: str, now: datetime) -> None:
    """Log one device out; a second time changes nothing. Raises SessionNotFound for somebody else's session."""
    found = store.lock_session(tx, session_id=session_id)
    if found is None or found.owner_id != owner_id:
        raise SessionNotFound
    store.end_sessions(tx, owner_id=owner_id, reason="log_out", now=now, only=[session_id])


def end_all_sessions(tx: Transaction, *, caller: Caller, now: datetime) -> int:
    """Log every device of the caller out, this one too, and return how many there were."""
    if caller.kind is CallerKind.SHOPPER:
        shopper_store.raise_generation(tx, shopper_id=caller.id)
    return store.end_sessions(tx, owner_id=caller.id, reason="log_out_everywhere", now=now)


def limit_requests(db: Database, *, name: str, who: str, per_minute: int, now: datetime) -> None:
    """Count a request of `who` and refuse more than `per_minute`, over all processes. Raises TooManyRequests."""
    key = rules.fingerprint_of([name, who])
    every = timedelta(minutes=1) / per_minute
    with db.transaction() as tx:
        due_at = store.charge(tx, key=key, every=every, burst=timedelta(minutes=1), now=now)
    if due_at is not None:
        raise TooManyRequests(max(1, int((due_at + every - timedelta(minutes=1) - now).total_seconds()) + 1))


def purge_sessions(tx: Transaction, *, now: datetime, limit: int = 10_000) -> int:
    """Forget sessions a month after they expired, and limits that no longer limit; return how many sessions."""
    return store.purge(tx, sessions_before=now - KEEP_SESSIONS, now=now, limit=limit)
