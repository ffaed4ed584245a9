"""Decisions about moves, without any server."""

import pytest

from tuike.team import AlreadyBound, BindingCycle, SelfBinding
from tuike.team.rules import decide_move, decide_valid_from


def decide(promoter_id="p", inviter_id="i", present="", above=(), force=False):
    return decide_move(
        promoter_id=promoter_id,
        inviter_id=inviter_id,
        present_inviter_id=present or None,
        above=above or ([inviter_id] if inviter_id else []),
        force=force,
    )


def test_an_unbound_promoter_is_bound_without_force():
    assert decide().is_change


def test_the_present_inviter_again_is_no_change_and_no_refusal():
    decision = decide(present="i")
    assert not decision.is_change
    assert decision.refusal is None


def test_another_inviter_needs_force():
    assert isinstance(decide(present="j").refusal, AlreadyBound)
    assert decide(present="j", force=True).is_change


def test_taking_the_inviter_away_needs_force_only_when_there_is_one():
    assert isinstance(decide(inviter_id=None, present="j").refusal, AlreadyBound)
    assert decide(inviter_id=None, present="j", force=True).is_change
    nobody = decide(inviter_id=None)
    assert not nobody.is_change
    assert nobody.refusal is None


@pytest.mark.parametrize("force", [False, True])
def test_force_never_skips_the_check_for_loops(force):
    assert isinstance(decide(above=["i", "x", "p", "y"], force=force).refusal, BindingCycle)


@pytest.mark.parametrize("force", [False, True])
def test_nobody_invites_itself(force):
    assert isinstance(decide(inviter_id="p", force=force).refusal, SelfBinding)


def test_a_binding_begins_now_but_always_after_the_one_before():
    assert decide_valid_from(now_micros=100, present_since=7) == 100
    assert decide_valid_from(now_micros=100, present_since=100) == 101
    assert decide_valid_from(now_micros=50, present_since=100) == 101
