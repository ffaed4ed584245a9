"""Group commit inside one process: many threads ask for the same work, one does it for all of them."""

import threading
from collections.abc import Callable


class Rounds:
    """Runs a piece of work in rounds such that every caller is covered by a round that began after its call.

    A caller that finds a round running waits for the next one; whoever comes first leads it and the others only wait.
    So a hundred threads cost two rounds, not a hundred.
    """

    def __init__(self) -> None:
        self.writing = threading.Lock()
        """Held by whoever writes to the graph: the leader of a round, or a move while it decides."""
        self._changed = threading.Condition()
        self._started = 0
        self._finished = 0
        self._running = False

    def run(self, work: Callable[[], None]) -> bool:
        """Return after a round of `work` that began after this call; tell whether this thread led it.

        What `work` raises reaches the thread that led; those who waited for that round then lead one themselves.
        """
        with self._changed:
            mine = self._started + 1
            while self._running and self._finished < mine:
                self._changed.wait()
            if self._finished >= mine:
                return False
            self._running = True
            self._started += 1
            leading = self._started
        done = False
        try:
            with self.writing:
                work()
            done = True
        finally:
            with self._changed:
                self._running = False
                self._finished = leading if done else self._finished
                self._changed.notify_all()
        return True
