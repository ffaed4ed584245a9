"""Verbs of cases. Each is one transaction: state, frozen money, suspensions and history commit together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import structlog

from tuike import commission, identity, team, wallet
from tuike.db import Transaction, outbox
from tuike.risk.cases import rules, spreading
from tuike.risk.cases.model import (
    Amounts,
    AtStake,
    BlastChanged,
    BlastRadius,
    CaseAction,
    CaseChanged,
    CaseEvent,
    CaseMember,
    CaseNotFound,
    CaseSource,
    CaseState,
    CaseStateWrong,
    Evidence,
    FoundCase,
    MemberUnknown,
    Merged,
    NobodyAccused,
    OpenWithdrawal,
    Reach,
    RiskCase,
)
from tuike.risk.cases.store import bans, growth, stakes
from tuike.risk.cases.store import cases as case_store
from tuike.risk.cases.store import evidence as evidence_store
from tuike.risk.cases.store import members as member_store
from tuike.risk.cases.store import reach as reach_store
from tuike.risk.checks import service as checks
from tuike.risk.checks import store as holds
from tuike.risk.checks.model import Actor
from tuike.shared import ids
from tuike.shared.pages import Page, decode_cursor, encode_cursor

log = structlog.get_logger(__name__)

SWEEPER = Actor("", "sweep")
CONFIRMED = "risk.confirmed"
"""The topic of cases around which somebody has to look: who stands near the accused."""
_SPREAD_MOST = 500
_ON_BANS = frozenset({CaseAction.BAN, CaseAction.RELEASE, CaseAction.INNOCENT})
"""What brings or ends bans, one at a time in the whole shop."""


def create_case(
    tx: Transaction, *, pattern: str, members: Sequence[CaseMember], note: str, actor: Actor, now: datetime
) -> RiskCase:
    """Open a case by hand. Raises NobodyAccused, MemberUnknown for a promoter who does not exist."""
    unique = {member.key: member for member in members}
    if not rules.get_accused(unique.values()):
        raise NobodyAccused
    for no, member in enumerate(members):
        if member.account_kind == "promoter" and not team.is_promoter(tx, promoter_id=member.account_id):
            raise MemberUnknown(fields={f"members.{no}.account_id": ["Names no promoter."]})
    found = FoundCase(pattern, 1.0, 0, 0, note, tuple(unique[key] for key in sorted(unique)), ())
    growth.lock_growth(tx, shared=False)
    case = _add(tx, found, source=CaseSource.PERSON, sweep_id=None, now=now)
    _tell(tx, case.id, actor, "opened", note, {"members": len(unique)}, now=now)
    return case


def merge_found(
    tx: Transaction, *, found: Sequence[FoundCase], sweep_id: str, seen_until: datetime | None = None, now: datetime
) -> Merged:
    """Turn what a sweep found into cases: a group that is known stays the same case, an innocent one stays silent.

    A repeated sweep changes nothing. What a person has decided is never undone; members who are new in a held case are
    added and not held, which its history says. An innocent group is accused again only for what is materially new.
    Orders checked after `seen_until`, which the sweep has not seen, stay in the evidence; `now` where left out.
    """
    growth.lock_growth(tx, shared=False)
    seen_until = seen_until or now
    accounts = [member.key for group in found for member in group.members if member.accused]
    related = member_store.list_related(tx, accounts=accounts)
    innocent = {case_id: accused for case_id, (state, accused) in related.items() if state is CaseState.INNOCENT}
    living = {case_id: accused for case_id, (state, accused) in related.items() if state is not CaseState.INNOCENT}
    new = updated = suppressed = 0
    taken: set[str] = set()
    for group in sorted(found, key=lambda one: (-one.score, [member.key for member in one.members])):
        accused = rules.get_accused(group.members)
        same = rules.find_same(accused, living, taken)
        if same is not None:
            taken.add(same)
            updated += _update(tx, same, group, sweep_id=sweep_id, seen_until=seen_until, now=now)
            continue
        cleared = rules.find_cleared(accused, innocent)
        if cleared is not None and not rules.is_materially_new(evidence_store.get_known(tx, case_id=cleared), group):
            suppressed += 1
            continue
        case = _add(tx, group, source=CaseSource.SWEEP, sweep_id=sweep_id, since=seen_until, now=now)
        detail = {"members": len(group.members), "score": group.score}
        _tell(tx, case.id, SWEEPER, "found", "", detail | ({"innocent_before": cleared} if cleared else {}), now=now)
        new += 1
    for case_id in case_store.list_unseen(tx, until=seen_until):  # orders said so; the whole shop does not
        _tell(tx, case_id, SWEEPER, "not_found", "", {"sweep_id": sweep_id}, now=now)
    outbox.emit_many(tx, topic=CONFIRMED, keys=case_store.list_confirmed(tx, limit=_SPREAD_MOST), now=now)
    return Merged(new, updated, suppressed)


def get_case(tx: Transaction, *, case_id: str) -> RiskCase:
    """Return a case. Raises CaseNotFound."""
    case = case_store.find_case(tx, case_id=case_id)
    if case is None:
        raise CaseNotFound
    return case


def list_cases(
    tx: Transaction,
    *,
    state: str | None = None,
    assignee_id: str | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[RiskCase]:
    """Return a page of cases, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = case_store.list_cases(tx, state=state, assignee_id=assignee_id, before=before, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def list_members(tx: Transaction, *, case_id: str) -> list[CaseMember]:
    """Return the members of a case."""
    return member_store.list_members(tx, case_id=case_id)


def list_member_page(tx: Transaction, *, case_id: str, limit: int, cursor: str | None = None) -> Page[CaseMember]:
    """Return a page of a case's members, by kind and id. Raises CaseNotFound."""
    get_case(tx, case_id=case_id)
    after = decode_cursor(cursor, int)[0] if cursor else 0  # a place, not an id: not everybody may read those
    found = member_store.list_member_page(tx, case_id=case_id, after=after, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(after + limit) if more else None)


def list_evidence(tx: Transaction, *, case_id: str, limit: int, cursor: str | None = None) -> Page[Evidence]:
    """Return a page of a case's evidence, the heaviest edges first. Raises CaseNotFound."""
    get_case(tx, case_id=case_id)
    after = decode_cursor(cursor, int)[0] if cursor else 0
    found = evidence_store.list_evidence(tx, case_id=case_id, after=after, limit=limit + 1)
    more = len(found) > limit
    return Page([edge for _, edge in found[:limit]], encode_cursor(found[limit - 1][0]) if more else None)


def list_events(tx: Transaction, *, case_id: str) -> list[CaseEvent]:
    """Return a case's history, oldest first."""
    return case_store.list_events(tx, case_id=case_id)


def get_at_stake(tx: Transaction, *, members: Sequence[CaseMember]) -> list[AtStake]:
    """Return what the accused promoters have, by currency."""
    promoter_ids, _ = _split(members)
    return stakes.sum_accounts(tx, promoter_ids=promoter_ids)[0] if promoter_ids else []


def preview_ban(tx: Transaction, *, case_id: str) -> BlastRadius:
    """Return whom and what a ban would touch now. Raises CaseNotFound."""
    return _preview(tx, get_case(tx, case_id=case_id))


def hold_case(tx: Transaction, *, case_id: str, version: int, reason: str, actor: Actor, now: datetime) -> RiskCase:
    """Freeze what the accused promoters have pending, and what they earn from now on; withdrawals wait.

    Raises CaseNotFound, CaseChanged, CaseStateWrong.
    """
    case, state = _lock(tx, case_id, version, CaseAction.HOLD)
    held = _hold(tx, case, now=now)
    return _decide(tx, case, state, CaseAction.HOLD, reason, actor, {"entries": held}, now=now)


def confirm_case(tx: Transaction, *, case_id: str, version: int, reason: str, actor: Actor, now: datetime) -> RiskCase:
    """Say that the case is a fraud: it holds what it did not hold, and whoever stands near its members is looked at.

    Raises CaseNotFound, CaseChanged, CaseStateWrong.
    """
    case, state = _lock(tx, case_id, version, CaseAction.CONFIRM)
    held = _hold(tx, case, now=now)
    outbox.emit(tx, topic=CONFIRMED, key=case_id, now=now)
    return _decide(tx, case, state, CaseAction.CONFIRM, reason, actor, {"entries": held}, now=now)


def release_case(tx: Transaction, *, case_id: str, version: int, reason: str, actor: Actor, now: datetime) -> RiskCase:
    """Let go what the case holds, and make active again whom it suspended; the case stays open.

    What something else holds stays frozen. Raises CaseNotFound, CaseChanged, CaseStateWrong.
    """
    case, state = _lock(tx, case_id, version, CaseAction.RELEASE)
    detail = _let_go(tx, case, reason, now=now)
    return _decide(tx, case, state, CaseAction.RELEASE, reason, actor, detail, now=now)


def label_innocent(
    tx: Transaction, *, case_id: str, version: int, reason: str, actor: Actor, now: datetime
) -> RiskCase:
    """Say that nobody did anything wrong: everything is let go, and later sweeps keep silent about the group.

    Raises CaseNotFound, CaseChanged, CaseStateWrong.
    """
    case, state = _lock(tx, case_id, version, CaseAction.INNOCENT)
    detail = _let_go(tx, case, reason, now=now)
    return _decide(tx, case, state, CaseAction.INNOCENT, reason, actor, detail, now=now)


def ban_case(
    tx: Transaction, *, case_id: str, version: int, fingerprint: str, reason: str, actor: Actor, now: datetime
) -> RiskCase:
    """Shut the accused out: promoters suspended, accounts in the shop banned with every login, withdrawals sent back.

    What they and everybody above them earn from the accused orders is frozen, and what is in their wallets stays there.
    Touches exactly what the preview showed. Raises CaseNotFound, CaseChanged, CaseStateWrong, BlastChanged.
    """
    case, state = _lock(tx, case_id, version, CaseAction.BAN)
    members = member_store.list_members(tx, case_id=case_id)
    promoter_ids, buyer_ids = _split(members)
    # Persons before withdrawals before money, as everybody else locks them; and all before the last look.
    bans.list_shoppers(tx, promoter_ids=promoter_ids, buyer_ids=buyer_ids, lock=True)
    stakes.list_withdrawals(tx, promoter_ids=promoter_ids, lock=True)
    radius = _preview(tx, case)
    if radius.fingerprint != fingerprint:
        raise BlastChanged
    returned = _send_back(tx, case_id, promoter_ids, now=now)
    order_ids = stakes.list_case_orders(tx, buyer_ids=buyer_ids, promoter_ids=promoter_ids)
    held = _freeze(tx, case, promoter_ids=promoter_ids, order_ids=order_ids, now=now)
    suspended = {
        promoter_id
        for promoter_id in promoter_ids
        if team.lock_status(tx, promoter_id=promoter_id) is team.PromoterStatus.ACTIVE
    }
    for promoter_id in sorted(suspended):
        team.change_status(tx, promoter_id=promoter_id, status="suspended", reason=f"case {case_id}", now=now)
    for person_id in radius.shopper_ids:
        identity.change_shopper_status(
            tx, shopper_id=person_id, status="banned", reason=f"case {case_id}", now=now
        )  # fmt: skip
    if suspended != set(radius.suspended_ids) or returned != list(radius.withdrawals):
        raise BlastChanged
    persons = bans.find_external_ids(tx, promoter_ids=promoter_ids)
    locked_out = set(radius.shopper_ids)
    marked = [
        replace(
            one, held=one.held or one.accused,
            banned=one.banned or (one.account_kind == "promoter" and one.account_id in suspended),
            locked_out=one.locked_out or (one.accused and persons.get(one.account_id, one.account_id) in locked_out),
        )
        for one in members
    ]  # fmt: skip
    member_store.replace_members(tx, case_id=case_id, members=marked)
    outbox.emit(tx, topic=CONFIRMED, key=case_id, now=now)
    detail = {
        "entries": held, "suspended": sorted(suspended), "locked_out": sorted(locked_out),
        "withdrawals": [asdict(amounts) for amounts in returned],
    }  # fmt: skip
    return _decide(tx, case, state, CaseAction.BAN, reason, actor, detail, now=now)


def assign_case(
    tx: Transaction, *, case_id: str, version: int, assignee: Actor | None, actor: Actor, now: datetime
) -> RiskCase:
    """Say who works on a case, or nobody. Raises CaseNotFound, CaseChanged."""
    case = _lock_version(tx, case_id, version)
    changed = replace(
        case, assignee_id=assignee.id if assignee else None, assignee_name=assignee.name if assignee else None,
        version=case.version + 1, updated_at=now,
    )  # fmt: skip
    case_store.set_case(tx, changed)
    _tell(tx, case_id, actor, "assign", "", {"assignee_id": changed.assignee_id}, now=now)
    return changed


def comment_case(tx: Transaction, *, case_id: str, note: str, actor: Actor, now: datetime) -> RiskCase:
    """Add a remark to a case's history; nobody else's decision is in the way. Raises CaseNotFound."""
    case = case_store.find_case(tx, case_id=case_id, lock=True)
    if case is None:
        raise CaseNotFound
    _tell(tx, case_id, actor, CaseAction.COMMENT.value, note, {}, now=now)
    return case


def list_reach(tx: Transaction, *, case_id: str, limit: int, cursor: str | None = None) -> Page[Reach]:
    """Return a page of the accounts near the accused of a confirmed case, the nearest first. Raises CaseNotFound."""
    get_case(tx, case_id=case_id)
    after = decode_cursor(cursor, int)[0] if cursor else 0
    found = reach_store.list_reach(tx, case_id=case_id, after=after, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(after + limit) if more else None)


def find_ban(tx: Transaction, *, promoter_id: str) -> str | None:
    """Return the case whose ban keeps a promoter suspended; only its release ends that."""
    return bans.find_ban(tx, promoter_id=promoter_id)


def find_lock_out(tx: Transaction, *, person_id: str) -> str | None:
    """Return the case whose ban keeps a person out of the shop; only its release ends that."""
    return bans.find_lock_out(tx, person_id=person_id)


def _add(
    tx: Transaction,
    found: FoundCase,
    *,
    source: CaseSource,
    sweep_id: str | None,
    since: datetime | None = None,
    now: datetime,
) -> RiskCase:
    case = RiskCase(
        ids.new_id("risk_case"), source, CaseState.OPEN, found.pattern, found.score, found.orders_count,
        found.commission_base_minor, found.summary, None, None, 1, sweep_id, now, now, None, None,
    )  # fmt: skip
    case_store.add_case(tx, case)
    member_store.replace_members(tx, case_id=case.id, members=found.members)
    evidence_store.replace_evidence(tx, case_id=case.id, evidence=found.evidence)
    counted = _count(tx, case, since=since or now)
    case_store.set_case(tx, counted)
    return counted


def _count(tx: Transaction, case: RiskCase, *, since: datetime) -> RiskCase:
    """Return a case with its orders as they are now; from here on each new one joins by itself."""
    count, base_minor, joined = growth.count_orders(tx, case_id=case.id, since=since)
    return replace(case, orders_count=count, commission_base_minor=base_minor, joined_orders_count=joined)


def _update(
    tx: Transaction, case_id: str, found: FoundCase, *, sweep_id: str, seen_until: datetime, now: datetime
) -> bool:
    """Bring a case up to what a sweep found again; False where that is what it says already."""
    case = case_store.find_case(tx, case_id=case_id, lock=True)
    if case is None:  # pragma: no cover - cases are never deleted
        raise CaseNotFound
    before = {member.key: member for member in member_store.list_members(tx, case_id=case_id)}
    members, fresh = rules.merge_members(found.members, before)
    # Context comes and goes without changing what a decision does, so nobody has to decide anew for it.
    is_same_group = rules.get_accused(members) == rules.get_accused(before.values())
    if members != [before[key] for key in sorted(before)]:
        member_store.replace_members(tx, case_id=case_id, members=members)
    told = replace(case, pattern=found.pattern, score=found.score, summary=found.summary)
    changed = _count(tx, told, since=seen_until)
    if changed == case and is_same_group:
        case_store.set_case(tx, replace(case, sweep_id=sweep_id))
        return False
    case_store.set_case(
        tx, replace(changed, sweep_id=sweep_id, updated_at=now, version=case.version + (not is_same_group))
    )
    evidence_store.replace_evidence(tx, case_id=case_id, evidence=found.evidence, seen_until=seen_until)
    if not is_same_group or abs(changed.score - case.score) >= 0.01:
        detail = {"members": len(members), "new": len(fresh), "score": found.score}
        _tell(tx, case_id, SWEEPER, "found_again", "", detail, now=now)
    return True


def _lock_version(tx: Transaction, case_id: str, version: int) -> RiskCase:
    case = case_store.find_case(tx, case_id=case_id, lock=True)
    if case is None:
        raise CaseNotFound
    if case.version != version:
        raise CaseChanged
    return case


def _lock(tx: Transaction, case_id: str, version: int, action: CaseAction) -> tuple[RiskCase, CaseState]:
    if action in _ON_BANS:
        bans.lock_bans(tx)
    case = _lock_version(tx, case_id, version)
    state = rules.decide_state(case.state, action)
    if state is None:
        allowed = ", ".join(rules.list_allowed(case.state)) or "nothing"
        raise CaseStateWrong(f"The case is {case.state.value}, which allows {allowed}.")
    return case, state


def _split(members: Sequence[CaseMember]) -> tuple[list[str], list[str]]:
    """Return the accused promoters and the accused buyers."""
    accused = [member for member in members if member.accused]
    return (
        sorted(member.account_id for member in accused if member.account_kind == "promoter"),
        sorted(member.account_id for member in accused if member.account_kind == "buyer"),
    )


def _hold(tx: Transaction, case: RiskCase, *, now: datetime) -> int:
    members = member_store.list_members(tx, case_id=case.id)
    promoter_ids, buyer_ids = _split(members)
    # Where buyers act together at promoters who may not know of it, what they bought is what is held.
    order_ids = [] if promoter_ids else stakes.list_case_orders(tx, buyer_ids=buyer_ids, promoter_ids=[])
    held = _freeze(tx, case, promoter_ids=promoter_ids, order_ids=order_ids, now=now)
    marked = [replace(member, held=member.held or member.accused) for member in members]
    member_store.replace_members(tx, case_id=case.id, members=marked)
    return held


def _freeze(
    tx: Transaction, case: RiskCase, *, promoter_ids: Sequence[str], order_ids: Sequence[str], now: datetime
) -> int:
    keys = commission.list_open_entries(tx, promoter_ids=promoter_ids, order_ids=order_ids)
    held = checks.freeze(tx, keys=keys, reason=f"case {case.id}", now=now)
    holds.add_holds(tx, keys=held, case_id=case.id, rule_id=None, now=now)
    return len(held)


def _let_go(tx: Transaction, case: RiskCase, reason: str, *, now: datetime) -> dict[str, Any]:
    """Lift the holds of a case and the suspensions that it brought, but for those that another ban carries on."""
    members = member_store.list_members(tx, case_id=case.id)
    _lock_persons(tx, members)  # persons before money
    lifted = checks.lift(tx, keys=holds.lift_holds(tx, case_id=case.id, now=now), now=now)
    banned = [member.account_id for member in members if member.banned]
    elsewhere = dict(bans.list_banned_elsewhere(tx, case_id=case.id, promoter_ids=banned))
    erased = bans.list_erased(tx, promoter_ids=banned)
    for promoter_id in banned:
        if promoter_id in erased:
            continue  # nobody is left whom the promoter could belong to
        if promoter_id in elsewhere:
            bans.pass_ban_on(tx, case_id=elsewhere[promoter_id], promoter_id=promoter_id)
        else:
            why = reason or f"case {case.id}"
            team.change_status(tx, promoter_id=promoter_id, status="active", reason=why, now=now)
    let_in = _let_in(tx, case.id, members, now=now)
    cleared = [replace(member, held=False, banned=False, locked_out=False) for member in members]
    member_store.replace_members(tx, case_id=case.id, members=cleared)
    spreading.forget_reach(tx, case_id=case.id)
    return {
        "entries": lifted,
        "active": [one for one in banned if one not in elsewhere and one not in erased],
        "let_in": let_in,
    }


def _lock_persons(tx: Transaction, members: Sequence[CaseMember]) -> dict[tuple[str, str], str]:
    """Lock the shop's accounts of those whom a case shut out, and return who they are."""
    shut = [member for member in members if member.locked_out]
    persons = bans.find_external_ids(
        tx, promoter_ids=[member.account_id for member in shut if member.account_kind == "promoter"]
    )
    found = {
        member.key: persons.get(member.account_id, member.account_id) if member.account_kind == "promoter"
        else member.account_id
        for member in shut
    }  # fmt: skip
    bans.lock_shoppers(tx, person_ids=sorted(set(found.values())))
    return found


def _let_in(tx: Transaction, case_id: str, members: Sequence[CaseMember], *, now: datetime) -> list[str]:
    """Take back the bans of persons that the case brought, but for those that another ban carries on."""
    done = []
    for person_id in sorted(set(_lock_persons(tx, members).values())):
        other = bans.find_lock_out(tx, person_id=person_id, but=case_id)
        if other is not None:
            bans.pass_lock_out_on(tx, case_id=other, person_id=person_id)
        elif bans.is_banned(tx, person_id=person_id):
            identity.change_shopper_status(
                tx, shopper_id=person_id, status="active", reason=f"case {case_id} released", now=now
            )  # fmt: skip
            done.append(person_id)
    return done


def _send_back(tx: Transaction, case_id: str, promoter_ids: Sequence[str], *, now: datetime) -> list[Amounts]:
    """End the withdrawals that can be ended, and return what went back to wallets."""
    stopped = []
    for one in stakes.list_withdrawals(tx, promoter_ids=promoter_ids):
        if one.is_under_way:
            continue
        end = wallet.reject_withdrawal if one.status == "requested" else wallet.mark_failed
        end(tx, withdrawal_id=one.id, reason=f"case {case_id}", now=now)
        stopped.append(one)
    return _sum(stopped)


def _sum(withdrawals: Sequence[OpenWithdrawal]) -> list[Amounts]:
    amounts: dict[str, list[int]] = {}
    for one in withdrawals:
        amounts.setdefault(one.currency, []).append(one.amount_minor)
    return [Amounts(currency, len(found), sum(found)) for currency, found in sorted(amounts.items())]


def _preview(tx: Transaction, case: RiskCase) -> BlastRadius:
    promoter_ids, buyer_ids = _split(member_store.list_members(tx, case_id=case.id))
    uplines, above = stakes.sum_uplines(tx, buyer_ids=buyer_ids, promoter_ids=promoter_ids)
    withdrawals = stakes.list_withdrawals(tx, promoter_ids=promoter_ids)
    radius = BlastRadius(
        case.id,
        promoter_ids,
        bans.list_active_promoters(tx, promoter_ids=promoter_ids),
        bans.list_shoppers(tx, promoter_ids=promoter_ids, buyer_ids=buyer_ids),
        stakes.sum_orders(tx, buyer_ids=buyer_ids, promoter_ids=promoter_ids),
        stakes.sum_commissions(tx, promoter_ids=promoter_ids),
        above,
        uplines,
        _sum([one for one in withdrawals if not one.is_under_way]),
        _sum([one for one in withdrawals if one.is_under_way]),
        stakes.sum_accounts(tx, promoter_ids=promoter_ids)[1],
    )
    return replace(radius, fingerprint=rules.make_fingerprint(radius, version=case.version))


def _decide(
    tx: Transaction,
    case: RiskCase,
    state: CaseState,
    action: CaseAction,
    reason: str,
    actor: Actor,
    detail: Mapping[str, Any],
    *,
    now: datetime,
) -> RiskCase:
    changed = replace(case, state=state, version=case.version + 1, updated_at=now, decided_at=now, decided_by=actor.id)
    case_store.set_case(tx, changed)
    _tell(tx, case.id, actor, action.value, reason, {"from": case.state.value, "to": state.value, **detail}, now=now)
    log.info("risk.case_decided", case_id=case.id, action=action.value, actor_id=actor.id)
    return changed


def _tell(
    tx: Transaction, case_id: str, actor: Actor, action: str, note: str, detail: Mapping[str, Any], *, now: datetime
) -> None:
    case_store.add_event(
        tx, case_id=case_id, actor_id=actor.id, actor_name=actor.name, action=action, note=note, detail=detail, now=now
    )


def forget_identifiers(tx: Transaction, *, buyer_id: str, promoter_id: str | None) -> None:
    """Forget the digests of a person's devices, addresses and accounts in checks and evidence; decisions stay."""
    holds.forget_identifiers(tx, buyer_id=buyer_id, promoter_id=promoter_id)
    evidence_store.forget_identifiers(tx, account_kind="buyer", account_id=buyer_id)
    if promoter_id is not None:
        evidence_store.forget_identifiers(tx, account_kind="promoter", account_id=promoter_id)
