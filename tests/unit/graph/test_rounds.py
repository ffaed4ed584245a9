"""Group commit inside a process."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tuike.graph.rounds import Rounds


def test_every_caller_is_covered_by_a_round_that_began_after_its_call():
    rounds, done, waiting = Rounds(), set(), set()
    lock = threading.Lock()

    def work():
        with lock:
            seen = set(waiting)
        time.sleep(0.002)
        done.update(seen)

    def call(number):
        with lock:
            waiting.add(number)
        rounds.run(work)
        assert number in done

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(400)))


def test_callers_at_once_share_a_round():
    rounds, count = Rounds(), 0
    begun, all_here = threading.Event(), threading.Barrier(20)

    def work():
        nonlocal count
        count += 1
        if count == 1:
            begun.set()
            all_here.wait()
            time.sleep(0.2)  # from the barrier into the round it is a few instructions

    def join():
        all_here.wait()
        return rounds.run(work)

    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(rounds.run, work)
        begun.wait()
        others = [pool.submit(join) for _ in range(19)]
        assert first.result()
        assert sum(other.result() for other in others) == 1
    assert count == 2


def test_a_failed_round_reaches_its_leader_and_the_others_try_themselves():
    rounds = Rounds()
    outcomes = iter([RuntimeError("no"), None])

    def work():
        time.sleep(0.01)
        outcome = next(outcomes)
        if outcome:
            raise outcome

    with pytest.raises(RuntimeError):
        rounds.run(work)
    assert rounds.run(work)
