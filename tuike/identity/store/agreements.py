"""Rows of agreements, acceptances and consents."""

from datetime import datetime

from sqlalchemy import text

from tuike.db import Transaction
from tuike.identity.model.agreements import Acceptance, Agreement, AgreementKind, Consent, ConsentPurpose

_COLUMNS = "kind, version, title, body, published_at"


def find_agreement(tx: Transaction, *, kind: AgreementKind, version: int | None = None) -> Agreement | None:
    """Return a version of an agreement, the newest if none is named."""
    only = "" if version is None else " AND version = :version"
    named = {} if version is None else {"version": version}
    query = text(f"SELECT {_COLUMNS} FROM agreements WHERE kind = :kind{only} ORDER BY version DESC LIMIT 1")
    row = tx.execute(query, {"kind": kind} | named).first()
    return None if row is None else Agreement(AgreementKind(row.kind), *row[1:])


def list_agreements(tx: Transaction) -> list[Agreement]:
    """Return the newest version of each agreement."""
    query = text(f"SELECT DISTINCT ON (kind) {_COLUMNS} FROM agreements ORDER BY kind, version DESC")
    return [Agreement(AgreementKind(row.kind), *row[1:]) for row in tx.execute(query)]


def insert_agreement(tx: Transaction, *, kind: AgreementKind, title: str, body: str, now: datetime) -> Agreement:
    """Publish the next version of an agreement; publishers of one kind queue."""
    tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:kind, 7485004))"), {"kind": kind})
    query = text(
        f"INSERT INTO agreements ({_COLUMNS}) SELECT :kind, coalesce(max(version), 0) + 1, :title, :body, :now"
        f" FROM agreements WHERE kind = :kind RETURNING {_COLUMNS}"
    )
    row = tx.execute(query, {"kind": kind, "title": title, "body": body, "now": now}).one()
    return Agreement(AgreementKind(row.kind), *row[1:])


def insert_acceptance(
    tx: Transaction, *, shopper_id: str, kind: AgreementKind, version: int, now: datetime
) -> Acceptance:
    """Write that a shopper accepted a version; the first time counts."""
    query = text(
        "INSERT INTO agreement_acceptances AS a (shopper_id, kind, version, accepted_at)"
        " VALUES (:id, :kind, :version, :now) ON CONFLICT (shopper_id, kind, version)"
        " DO UPDATE SET accepted_at = a.accepted_at RETURNING accepted_at"
    )
    values = {"id": shopper_id, "kind": kind, "version": version, "now": now}
    return Acceptance(kind, version, tx.execute(query, values).scalar_one())


def list_acceptances(tx: Transaction, *, shopper_id: str) -> list[Acceptance]:
    """Return what a shopper accepted, oldest first."""
    query = text(
        "SELECT kind, version, accepted_at FROM agreement_acceptances WHERE shopper_id = :id"
        " ORDER BY accepted_at, kind, version"
    )
    return [Acceptance(AgreementKind(row.kind), *row[1:]) for row in tx.execute(query, {"id": shopper_id})]


def insert_consent(
    tx: Transaction, *, shopper_id: str, purpose: ConsentPurpose, is_granted: bool, now: datetime
) -> None:
    """Write a decision about a purpose."""
    query = text(
        "INSERT INTO consents (shopper_id, purpose, is_granted, decided_at) VALUES (:id, :purpose, :is_granted, :now)"
    )
    tx.execute(query, {"id": shopper_id, "purpose": purpose, "is_granted": is_granted, "now": now})


def list_consents(tx: Transaction, *, shopper_id: str) -> list[Consent]:
    """Return every decision of a shopper, oldest first, at most 1,000."""
    query = text("SELECT purpose, is_granted, decided_at FROM consents WHERE shopper_id = :id ORDER BY id LIMIT 1000")
    return [Consent(ConsentPurpose(row.purpose), *row[1:]) for row in tx.execute(query, {"id": shopper_id})]
