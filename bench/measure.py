"""A rate beside its limit, measured in turns, so that a busy machine slows both alike."""

import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

Trial = Callable[[], Awaitable[float]]
"""One measurement: a rate in the row's unit."""
Report = Callable[[str], None]


@dataclass(frozen=True)
class Turns:
    """How often a pair is measured: `most` times, but `least` times only once it has taken `seconds`."""

    most: int = 5
    least: int = 2
    seconds: float = float("inf")

    def count(self, name: str, report: Report, *, warm_up: bool = True) -> Iterator[int]:
        """The numbers of the turns, told as they begin; 0 is the one that only warms up."""
        begun = time.perf_counter()
        for turn in range(0 if warm_up else 1, self.most + 1):
            if turn > self.least and time.perf_counter() - begun > self.seconds:
                return
            report(f"{name}: turn {turn} of {self.most}" if turn else f"{name}: warming up")
            yield turn

    def no_more_than(self, most: int) -> "Turns":
        return Turns(min(self.most, most), min(self.least, most), self.seconds)


@dataclass(frozen=True)
class Spread:
    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True)
class Row:
    """`ratio` is the spread of ours/limit within each turn, not the ratio of the two medians."""

    name: str
    unit: str
    ours: Spread
    turns: int
    limit: Spread | None = None
    ratio: Spread | None = None
    aim: float | None = None
    most: float | None = None
    """What ours must not pass, where less is better."""
    note: str = ""


async def measure(
    name: str, unit: str, ours: Trial, limit: Trial, *, turns: Turns, aim: float, report: Report
) -> Row:
    """Measure limit and ours in turns, after one turn that only warms up."""
    pairs = []
    for turn in turns.count(name, report):
        # Who comes second finds the parts warmer, or busier with what the first has left: they take it in turns.
        if turn % 2:
            bound = await limit()
            pairs.append((bound, await ours()))
        else:
            our = await ours()
            pairs.append((await limit(), our))
    _, *kept = pairs
    return Row(
        name,
        unit,
        ours=Spread.of([our for _, our in kept]),
        turns=len(kept),
        limit=Spread.of([bound for bound, _ in kept]),
        ratio=Spread.of([our / bound for bound, our in kept]),
        aim=aim,
    )


async def measure_alone(name: str, unit: str, trial: Trial, *, turns: Turns, report: Report) -> Row:
    """A rate to stand beside another row, without a limit of its own."""
    rates = [await trial() for _ in turns.count(name, report, warm_up=False)]
    return Row(name, unit, ours=Spread.of(rates), turns=len(rates))


async def measure_most(name: str, unit: str, trial: Trial, *, turns: Turns, most: float, report: Report) -> Row:
    """A time that must not pass a bound, after one turn that only warms up."""
    _, *times = [await trial() for _ in turns.count(name, report)]
    return Row(name, unit, ours=Spread.of(times), turns=len(times), most=most)
