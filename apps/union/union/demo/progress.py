"""What the demonstration shows while it works: bars on a terminal, plain lines elsewhere; and it times."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Stage:
    """Names and times the steps of a run."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.console.print(f"▸ {title}", style="bold")
        begun = time.perf_counter()
        yield
        self.seconds[title] = round(time.perf_counter() - begun, 2)
        self.console.print(f"  {self.seconds[title]:.1f} s", style="dim")

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Call what this gives once for each thing done."""
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        count = 0
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            task = progress.add_task(what, total=total)

            def done() -> None:
                nonlocal count
                count += 1
                progress.advance(task)

            yield done
        if not self.console.is_terminal:
            self.console.print(f"  {what}: {count} of {total}")
