"""A rate beside its limit, measured in turns, so that a busy machine slows both alike."""

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

Trial = Callable[[], Awaitable[float]]
"""One measurement: a rate in the row's unit."""


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
    limit: Spread | None = None
    ratio: Spread | None = None
    aim: float | None = None
    most: float | None = None
    """What ours must not pass, where less is better."""
    note: str = ""


async def measure(
    name: str, unit: str, ours: Trial, limit: Trial, *, turns: int, aim: float, report: Callable[[str], None]
) -> Row:
    """Measure limit and ours in turns, after one turn that only warms up."""
    pairs = []
    for turn in range(turns + 1):
        report(f"{name}: turn {turn} of {turns}" if turn else f"{name}: warming up")
        pairs.append((await limit(), await ours()))
    _, *kept = pairs
    return Row(
        name,
        unit,
        ours=Spread.of([our for _, our in kept]),
        limit=Spread.of([bound for bound, _ in kept]),
        ratio=Spread.of([our / bound for bound, our in kept]),
        aim=aim,
    )


async def measure_alone(name: str, unit: str, trial: Trial, *, turns: int, report: Callable[[str], None]) -> Row:
    """A rate to stand beside another row, without a limit of its own."""
    rates = []
    for turn in range(1, turns + 1):
        report(f"{name}: turn {turn} of {turns}")
        rates.append(await trial())
    return Row(name, unit, ours=Spread.of(rates))


async def measure_most(
    name: str, unit: str, trial: Trial, *, turns: int, most: float, report: Callable[[str], None]
) -> Row:
    """A time that must not pass a bound, after one turn that only warms up."""
    times = []
    for turn in range(turns + 1):
        report(f"{name}: turn {turn} of {turns}" if turn else f"{name}: warming up")
        times.append(await trial())
    return Row(name, unit, ours=Spread.of(times[1:]), most=most)
