"""The simulated promoters: a tree, in time, the same for the same seed."""

from random import Random

from tuike.demo.people import count_promoters, list_team, make_people

BUYERS = [f"hh-{number:04d}" for number in range(500)]


def make_crowd(count=300, seed=7):
    return make_people(Random(seed), buyers=BUYERS, count=count)


def test_the_same_seed_makes_the_same_people():
    assert make_crowd() == make_crowd()
    assert make_crowd(seed=8) != make_crowd()


def test_every_inviter_joined_before_those_it_invited():
    people = make_crowd()
    assert all(people[p.inviter].joined_at < p.joined_at for p in people if p.inviter is not None)
    instants = [person.joined_at for person in people]
    assert instants == sorted(set(instants))


def test_nobody_is_two_promoters_and_about_half_are_buyers_too():
    people = make_crowd()
    assert len({person.external_id for person in people}) == len(people)
    assert sum(person.is_buyer for person in people) == len(people) // 2
    assert all((person.external_id in BUYERS) == person.is_buyer for person in people)


def test_the_tree_is_deeper_than_what_is_paid_and_teams_are_uneven():
    people = make_crowd(600)
    depths = [0] * len(people)
    for number, person in enumerate(people):
        depths[number] = 0 if person.inviter is None else depths[person.inviter] + 1
    assert max(depths) > 3
    invited = sorted((sum(p.inviter == number for p in people) for number in range(len(people))), reverse=True)
    assert invited[0] >= 15
    assert invited.count(0) > len(people) / 2


def test_a_team_is_everybody_below_at_any_depth():
    people = make_crowd(60)
    roots = [number for number, person in enumerate(people) if person.inviter is None]
    members = [member for root in roots for member in list_team(people, root)]
    assert sorted([*members, *roots]) == list(range(len(people)))


def test_few_buyers_still_make_enough_promoters():
    assert len(make_people(Random(1), buyers=["hh-1"], count=24)) == 24


def test_the_number_of_promoters_grows_slower_than_the_orders():
    assert count_promoters(1) == 24
    assert count_promoters(5_000) == 849
    assert count_promoters(155_848) < 5_000
