"""Team sizes and seats after any joins and moves, against a count from scratch."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tuike.graph.seating import LEVELS_MAX, SEAT_WIDTH, Place, seat_joins, seat_move

# A step: True joins a newcomer, False moves somebody; the numbers pick who and below whom (0: below nobody).
STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 30)), max_size=60)


class Tree:
    """The writer's arithmetic applied to a tree in memory, with every seat that members hold."""

    def __init__(self):
        self.places: dict[str, Place] = {}
        self.seats: dict[str, list[int | None]] = {}

    def join(self, inviters):
        newcomers = []
        for inviter in inviters:
            number = len(self.places) + len(newcomers) + 1
            newcomers.append(Place(f"p{number}", number, inviter))
        seating = seat_joins(self.places, newcomers)
        self.seats |= seating.seats
        return seating

    def move(self, moved_id, inviter_id):
        first = [place for place in self.places.values() if place.inviter_id == moved_id]
        second = [place for place in self.places.values() if place.inviter_id in {place.promoter_id for place in first}]
        seating = seat_move(self.places, self.places[moved_id], inviter_id)
        self.seats[moved_id] = seating.seats
        base_2, base_3 = seating.below_1
        for ordinal, member in enumerate(first, start=1):
            self.seats[member.promoter_id][1] = None if base_2 is None else base_2 + ordinal
            self.seats[member.promoter_id][2] = None if base_3 is None else base_3 + ordinal
        for ordinal, member in enumerate(second, start=1):
            self.seats[member.promoter_id][2] = None if seating.below_2 is None else seating.below_2 + ordinal
        return seating

    def is_below(self, promoter_id, top_id):
        while promoter_id is not None:
            if promoter_id == top_id:
                return True
            promoter_id = self.places[promoter_id].inviter_id
        return False

    def check(self):
        sizes = {promoter_id: [0] * LEVELS_MAX for promoter_id in self.places}
        held = set()
        for promoter_id in self.places:
            above = self.places[promoter_id].inviter_id
            for level in range(LEVELS_MAX):
                seat = self.seats[promoter_id][level]
                if above is None:
                    assert seat is None
                    continue
                owner = self.places[above]
                sizes[above][level] += 1
                assert seat // SEAT_WIDTH == owner.no
                assert 1 <= seat % SEAT_WIDTH <= owner.seats[level]
                assert (level, seat) not in held
                held.add((level, seat))
                above = owner.inviter_id
        assert sizes == {promoter_id: place.team for promoter_id, place in self.places.items()}


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_after_any_joins_and_moves_sizes_are_exact_and_every_member_holds_its_own_seat_under_each_ancestor(steps):
    tree = Tree()
    for is_join, who, below in steps:
        ids = list(tree.places)
        inviter = None if not ids or below == 0 else ids[below % len(ids)]
        if is_join or not ids:
            tree.join([inviter])
        else:
            moved = ids[who % len(ids)]
            if inviter is None or not tree.is_below(inviter, moved):
                tree.move(moved, inviter)
        tree.check()


def test_newcomers_of_one_batch_may_sit_below_each_other():
    tree = Tree()
    tree.join([None, "p1", "p2", "p3", "p4"])
    tree.check()
    assert tree.places["p1"].team == [1, 1, 1]


def test_only_promoters_who_were_there_before_are_reported_as_changed():
    tree = Tree()
    tree.join([None])
    seating = tree.join(["p1", "p2"])
    assert [place.promoter_id for place in seating.changed] == ["p1"]


def test_a_move_touches_old_and_new_ancestors_and_nobody_else():
    tree = Tree()
    tree.join([None, "p1", "p2", "p3", None, "p5"])
    seating = tree.move("p2", "p6")
    assert {place.promoter_id for place in seating.changed} == {"p1", "p5", "p6"}
    tree.check()


def test_the_largest_seat_fits_a_signed_64_bit_integer():
    assert (2**35 - 1) * SEAT_WIDTH + SEAT_WIDTH - 1 < 2**63
