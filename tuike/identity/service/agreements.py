"""Agreements: published by version, accepted by version; and consents."""

from collections.abc import Collection
from datetime import datetime

from tuike.db import Transaction
from tuike.identity.model.agreements import (
    Acceptance,
    Agreement,
    AgreementKind,
    AgreementNeeded,
    AgreementNotFound,
    AgreementOutdated,
    Consent,
    ConsentPurpose,
)
from tuike.identity.store import agreements as store


def publish_agreement(tx: Transaction, *, kind: AgreementKind, title: str, body: str, now: datetime) -> Agreement:
    """Publish the next version of an agreement; from now on only that one counts as accepted."""
    return store.insert_agreement(tx, kind=kind, title=title, body=body, now=now)


def get_agreement(tx: Transaction, *, kind: AgreementKind, version: int | None = None) -> Agreement:
    """Return a version of an agreement, the newest if none is named. Raises AgreementNotFound."""
    found = store.find_agreement(tx, kind=kind, version=version)
    if found is None:
        raise AgreementNotFound
    return found


def list_agreements(tx: Transaction) -> list[Agreement]:
    """Return the newest version of each agreement."""
    return store.list_agreements(tx)


def accept_agreement(
    tx: Transaction, *, shopper_id: str, kind: AgreementKind, version: int, now: datetime
) -> Acceptance:
    """Write that a shopper accepts the newest version. Raises AgreementNotFound, AgreementOutdated for an older one."""
    newest = get_agreement(tx, kind=kind)
    if version > newest.version:
        raise AgreementNotFound
    if version < newest.version:
        raise AgreementOutdated
    return store.insert_acceptance(tx, shopper_id=shopper_id, kind=kind, version=version, now=now)


def list_acceptances(tx: Transaction, *, shopper_id: str) -> list[Acceptance]:
    """Return what a shopper accepted, oldest first."""
    return store.list_acceptances(tx, shopper_id=shopper_id)


def check_agreements(tx: Transaction, *, shopper_id: str, kinds: Collection[AgreementKind]) -> None:
    """Raise AgreementNeeded unless the newest published version of each was accepted."""
    accepted = {(found.kind, found.version) for found in store.list_acceptances(tx, shopper_id=shopper_id)}
    missing = {
        found.kind.value: found.version
        for found in store.list_agreements(tx)
        if found.kind in kinds and (found.kind, found.version) not in accepted
    }
    if missing:
        raise AgreementNeeded(missing)


def decide_consent(
    tx: Transaction, *, shopper_id: str, purpose: ConsentPurpose, is_granted: bool, now: datetime
) -> Consent:
    """Keep a shopper's decision about one use of personal data; the newest counts, all are kept."""
    known = {consent.purpose: consent for consent in store.list_consents(tx, shopper_id=shopper_id)}
    last = known.get(purpose)
    if last is not None and last.is_granted == is_granted:
        return last
    store.insert_consent(tx, shopper_id=shopper_id, purpose=purpose, is_granted=is_granted, now=now)
    return Consent(purpose, is_granted, now)


def list_consents(tx: Transaction, *, shopper_id: str) -> list[Consent]:
    """Return every decision of a shopper, oldest first."""
    return store.list_consents(tx, shopper_id=shopper_id)
