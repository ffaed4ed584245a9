"""Turns journal rows into statements: every row absolute, so that applying it again changes nothing.

Rows of one batch are applied kind by kind (people before bindings before links before touches), because whatever a row
builds on was committed before it and so stands in the same batch or is in the graph already. Moves of a team depend
on the order among themselves and on all joins before them: each is a run of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from tuike.graph.driver import Graph, GraphNotReady, GraphTransaction
from tuike.graph.journal import FORGOTTEN, JournalRow
from tuike.graph.seating import Place, list_ancestors, seat_joins, seat_move
from tuike.shared.errors import GraphUnavailable

Row = dict[str, Any]


class GraphDamaged(GraphUnavailable):
    """The graph lacks something that the journal says it has; a rebuild brings it back."""

    message = "The graph lacks something that the journal has. Run `tuike graph rebuild`."


def split_runs(rows: Sequence[JournalRow]) -> list[list[JournalRow]]:
    """Cut rows into runs that may each be applied kind by kind: a move is a run of its own."""
    runs: list[list[JournalRow]] = []
    for is_move, group in groupby(rows, key=lambda row: row.kind == "binding"):
        if is_move:
            runs.extend([row] for row in group)
        else:
            runs.append(list(group))
    return runs


def apply_run(graph: Graph, rows: Sequence[JournalRow], *, usage: Sequence[Row] = ()) -> None:
    """Apply one run, and how accounts used identifiers, in one transaction of the graph.

    Raises GraphUnavailable, GraphContended.
    """
    graph.require_ready()
    with graph.transaction() as tx:
        state = tx.run("graph.take_turn")
        if not state or not state[0]["ready"]:
            raise GraphNotReady
        apply_kinds(tx, rows)
        apply_usage(tx, usage)


def apply_kinds(tx: GraphTransaction, rows: Sequence[JournalRow]) -> None:
    """Apply the rows of one run inside an open transaction that holds the turn."""
    by_kind: dict[str, list[JournalRow]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    for kind, apply in _APPLY.items():
        if kind in by_kind:
            apply(tx, by_kind.pop(kind))
    if by_kind:
        raise ValueError(f"no way to apply journal rows of {sorted(by_kind)}")


def read_places(tx: GraphTransaction, promoter_ids: Iterable[str]) -> tuple[dict[str, Place], dict[str, int]]:
    """Return the places of some promoters and their ancestors, and the binding number of each."""
    ids = sorted(set(promoter_ids))
    places: dict[str, Place] = {}
    binding_nos: dict[str, int] = {}
    below: Place | None = None
    for row in tx.run("graph.list_places", promoter_ids=ids) if ids else []:
        place = places.get(row["promoter_id"])
        if place is None:
            place = Place(
                promoter_id=row["promoter_id"],
                no=row["promoter_no"],
                inviter_id=None,
                team=[row["team_1"], row["team_2"], row["team_3"]],
                seats=[row["seats_1"], row["seats_2"], row["seats_3"]],
            )
            places[place.promoter_id] = place
            binding_nos[place.promoter_id] = row["binding_no"]
        if row["steps"] and below is not None:
            below.inviter_id = place.promoter_id
        below = place
    missing = [promoter_id for promoter_id in ids if promoter_id not in places]
    if missing:
        raise GraphDamaged(f"The graph lacks promoter {missing[0]}. Run `tuike graph rebuild`.")
    return places, binding_nos


def write_rows(tx: GraphTransaction, name: str, rows: Sequence[Row]) -> None:
    """Run a statement that writes one thing per row. Raises GraphDamaged when a row found nothing to hold on to."""
    if not rows:
        return
    result = tx.run(name, rows=rows)
    written = result[0]["written"] if result else 0
    if written != len(rows):
        raise GraphDamaged(f"{name} wrote {written} of {len(rows)}. Run `tuike graph rebuild`.")


def counter_row(place: Place) -> Row:
    """Return the counters of a promoter as a row of `graph.set_counters`."""
    counters = {f"team_{level}": size for level, size in enumerate(place.team, start=1)}
    counters |= {f"seats_{level}": size for level, size in enumerate(place.seats, start=1)}
    return {"promoter_id": place.promoter_id, **counters}


def seat_row(seats: Sequence[int | None]) -> Row:
    """Return three seats as the properties they are kept in."""
    return {f"seat_{level}": seat for level, seat in enumerate(seats, start=1)}


def create_promoters(tx: GraphTransaction, rows: Sequence[Row]) -> None:
    """Add promoters, with their counters and seats, who are not in the graph as people."""
    write_rows(tx, "graph.create_promoters", rows)


def open_bindings(tx: GraphTransaction, rows: Sequence[Row]) -> None:
    """Draw the INVITED edges of some rows {inviter_id, promoter_id, binding_id, binding_no, valid_from}."""
    write_rows(tx, "graph.open_bindings", rows)


def _apply_promoters(tx: GraphTransaction, rows: Sequence[JournalRow]) -> None:
    users = {
        user["id"]: user["promoter_id"]
        for user in tx.run("graph.find_users", ids=[row.payload["external_id"] for row in rows])
    }
    fresh = [row for row in rows if users.get(row.payload["external_id"]) is None]
    if not fresh:
        return
    own_ids = {row.payload["promoter_id"] for row in fresh}
    inviters = {row.payload["inviter_id"] for row in fresh} - own_ids - {None}
    places, _ = read_places(tx, inviters)
    newcomers = [Place(row.payload["promoter_id"], row.seq, row.payload["inviter_id"]) for row in fresh]
    seating = seat_joins(places, newcomers)
    created: list[Row] = []
    promoted: list[Row] = []
    for row, place in zip(fresh, newcomers, strict=True):
        payload = row.payload
        properties = {
            "id": payload["external_id"],
            "promoter_no": row.seq,
            "binding_no": row.seq,
            "status": payload["status"],
            "joined_at": payload["at"],
            **counter_row(place),
            **seat_row(seating.seats[place.promoter_id]),
        }
        (promoted if payload["external_id"] in users else created).append(properties)
    create_promoters(tx, created)
    write_rows(tx, "graph.promote_users", promoted)
    open_bindings(
        tx,
        [
            {
                "inviter_id": row.payload["inviter_id"],
                "promoter_id": row.payload["promoter_id"],
                "binding_id": row.payload["binding_id"],
                "binding_no": row.seq,
                "valid_from": row.payload["at"],
            }
            for row in fresh
            if row.payload["inviter_id"] is not None
        ],
    )
    set_counters(tx, seating.changed)


def set_counters(tx: GraphTransaction, places: Sequence[Place]) -> None:
    """Write the counters of some promoters as they are in `places`."""
    write_rows(tx, "graph.set_counters", [counter_row(place) for place in places])


def _apply_move(tx: GraphTransaction, rows: Sequence[JournalRow]) -> None:
    (row,) = rows
    promoter_id, inviter_id, at = row.payload["promoter_id"], row.payload["inviter_id"], row.payload["at"]
    places, binding_nos = read_places(tx, [promoter_id] if inviter_id is None else [promoter_id, inviter_id])
    if binding_nos[promoter_id] >= row.seq:
        return
    moved = places[promoter_id]
    if any(ancestor is moved for ancestor in list_ancestors(places, inviter_id)):
        raise GraphDamaged(f"Journal row {row.seq} would close a loop; it was decided on another graph.")
    if moved.inviter_id is not None:
        tx.run("graph.close_binding", promoter_id=promoter_id, valid_to=at)
    seating = seat_move(places, moved, inviter_id)
    tx.run("graph.seat_promoter", promoter_id=promoter_id, binding_no=row.seq, joined_at=at, **seat_row(seating.seats))
    if inviter_id is not None:
        binding = {"binding_id": row.id, "binding_no": row.seq, "valid_from": at}
        open_bindings(tx, [{"inviter_id": inviter_id, "promoter_id": promoter_id, **binding}])
    if moved.team[0]:
        base_2, base_3 = seating.below_1
        tx.run("graph.seat_members_1", promoter_id=promoter_id, base_2=base_2, base_3=base_3)
    if moved.team[1]:
        tx.run("graph.seat_members_2", promoter_id=promoter_id, base_3=seating.below_2)
    set_counters(tx, seating.changed)


def _apply_statuses(tx: GraphTransaction, rows: Sequence[JournalRow]) -> None:
    last = {row.payload["promoter_id"]: row.payload["status"] for row in rows}
    write_rows(tx, "graph.set_statuses", [{"promoter_id": key, "status": status} for key, status in last.items()])


def _drop_known(tx: GraphTransaction, name: str, rows: Sequence[JournalRow]) -> list[JournalRow]:
    known = {row["id"] for row in tx.run(name, ids=[row.id for row in rows])}
    return [row for row in rows if row.id not in known]


def _apply_links(tx: GraphTransaction, rows: Sequence[JournalRow]) -> None:
    fresh = _drop_known(tx, "graph.find_links", rows)
    write_rows(tx, "graph.create_links", [{"code": row.id, "promoter_id": row.payload["promoter_id"]} for row in fresh])


def _apply_touches(tx: GraphTransaction, rows: Sequence[JournalRow]) -> None:
    fresh = _drop_known(tx, "graph.find_touches", rows)
    write_rows(
        tx,
        "graph.create_touches",
        [{"id": row.id, "no": row.seq, **{key: row.payload[key] for key in ("code", "at", "depth")}} for row in fresh],
    )
    parents = [{"id": row.id, "parent_id": row.payload["parent_touch_id"]} for row in fresh]
    write_rows(tx, "graph.follow_touches", [row for row in parents if row["parent_id"] is not None])
    visitors = [{"id": row.payload["visitor_id"], "touch_id": row.id} for row in fresh]
    write_rows(tx, "graph.record_visitor_touches", [row for row in visitors if row["id"] is not None])
    _record_user_touches(tx, [(row.payload["buyer_id"], row.id) for row in fresh])


def _apply_claims(tx: GraphTransaction, rows: Sequence[JournalRow]) -> None:
    _record_user_touches(tx, sorted({(row.payload["buyer_id"], row.payload["touch_id"]) for row in rows}))


def _record_user_touches(tx: GraphTransaction, pairs: Iterable[tuple[str | None, str]]) -> None:
    rows = [{"id": buyer_id, "touch_id": touch_id} for buyer_id, touch_id in pairs if buyer_id is not None]
    write_rows(tx, "graph.record_user_touches", rows)


def _apply_orders(tx: GraphTransaction, rows: Sequence[JournalRow]) -> None:
    fresh = _drop_known(tx, "graph.find_orders", rows)
    write_rows(
        tx,
        "graph.create_orders",
        [{"id": row.id, "buyer_id": row.payload["buyer_id"], "placed_at": row.payload["placed_at"]} for row in fresh],
    )
    write_rows(
        tx,
        "graph.credit_orders",
        [
            {"id": row.id, **{key: row.payload[key] for key in ("promoter_id", "model", "reason")}}
            for row in fresh
            if row.payload["promoter_id"] is not None
        ],
    )


def apply_usage(tx: GraphTransaction, usage: Sequence[Row]) -> None:
    """Set how accounts used identifiers; items as `journal.list_usage` returns them."""
    if not usage:
        return
    identifiers = {use["key"]: {key: use[key] for key in ("key", "kind", "digest")} for use in usage}
    write_rows(tx, "graph.merge_identifiers", list(identifiers.values()))
    fields = ("account", "key", "first_at", "last_at", "times")
    by_label: dict[str, list[Row]] = {"User": [], "Visitor": []}
    for use in usage:
        by_label[use["label"]].append({key: use[key] for key in fields})
    write_rows(tx, "graph.use_identifiers_as_users", by_label["User"])
    write_rows(tx, "graph.use_identifiers_as_visitors", by_label["Visitor"])


def _apply_forgotten(tx: GraphTransaction, rows: Sequence[JournalRow]) -> None:
    """Take what some people used from them, and the identifiers that nobody else used from the graph.

    The people are there afterwards: a rebuild has nothing else to know them by when all they did was to use something.
    What they used since then is set by whoever applies these rows.
    """
    accounts = sorted({row.subject for row in rows})
    write_rows(tx, "graph.ensure_users", [{"id": account} for account in accounts])
    found = tx.run("graph.forget_usage", ids=accounts)
    keys = sorted({key for row in found for key in row["keys"]})
    if keys:
        tx.run("graph.drop_unused_identifiers", keys=keys)


_APPLY: dict[str, Callable[[GraphTransaction, Sequence[JournalRow]], None]] = {
    "promoter": _apply_promoters,
    "binding": _apply_move,
    "status": _apply_statuses,
    "link": _apply_links,
    "touch": _apply_touches,
    "touch_claim": _apply_claims,
    "order": _apply_orders,
    FORGOTTEN: _apply_forgotten,
}
