"""A figure and its yardstick, measured in turns (A B A B …) so that a busy machine slows both alike."""

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

WARM_UP = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `ratio` is the figure to the yardstick; `reach` is the bound it has to keep."""

    name: str
    value: float
    unit: str
    yardstick: str
    ratio: float
    reach: str
    ok: bool

    def to_json(self) -> dict[str, object]:
        """Return the row as build/bench.json holds it, figures rounded."""
        return asdict(self) | {"value": round(self.value, 3), "ratio": round(self.ratio, 3)}


def at_least(name: str, value: float, unit: str, yardstick: str, ratio: float, bound: float) -> Row:
    """Return a row that is ok from `bound` upwards."""
    return Row(name, value, unit, yardstick, ratio, f"≥ {bound:g}×", ratio >= bound)


def at_most(name: str, value: float, unit: str, yardstick: str, ratio: float, bound: float) -> Row:
    """Return a row that is ok up to `bound`."""
    return Row(name, value, unit, yardstick, ratio, f"≤ {bound:g}×", ratio <= bound)


def time_calls(*calls: Callable[[], object], count: int, warm_up: int = WARM_UP, chunk: int = 10) -> list[list[float]]:
    """Return the durations of each of several calls in milliseconds, taken in turns of `chunk` calls."""
    for call in calls:
        for _ in range(warm_up):
            call()
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(max(1, count // chunk)):
        for call, into in zip(calls, taken, strict=True):
            for _ in range(chunk):
                begun = time.perf_counter()
                call()
                into.append((time.perf_counter() - begun) * 1000)
    return taken


def medians(taken: Iterable[Sequence[float]]) -> list[float]:
    """Return the median of each series."""
    return [statistics.median(series) for series in taken]


def percentile(series: Sequence[float], percent: int) -> float:
    """Return a percentile of a series."""
    return sorted(series)[min(len(series) - 1, len(series) * percent // 100)]


def run_threads(work: Callable[[int], None], count: int) -> float:
    """Run `work(number)` in `count` threads at once and return the seconds until the last one ends."""
    faults: list[BaseException] = []
    start = threading.Barrier(count + 1)

    def guarded(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            faults.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    start.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return time.perf_counter() - begun


def say(text: str) -> None:
    """Tell on stderr what is being done."""
    sys.stderr.write(f"  … {text}\n")
    sys.stderr.flush()
