"""Signals that end a run: kept back where half a step would be left behind, answered by an orderly end."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Keeps signals back until the block is left."""
    if threading.current_thread() is not threading.main_thread():  # signals interrupt the main thread alone
        yield
        return
    kept: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _ENDING}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, _: kept.append(number))
    try:
        yield
    finally:
        for ending, handler in handlers.items():
            signal.signal(ending, handler)
        for arrived in kept:
            signal.raise_signal(arrived)


@contextlib.contextmanager
def ended_in_order(clean_up: Callable[[], None]) -> Iterator[None]:
    """`clean_up` runs, whole, when the block is left, also by Ctrl-C, SIGTERM or SIGHUP. For the main thread only."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in _ENDING}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if before[number] is not signal.SIG_IGN:  # as `nohup` sets it
            signal.signal(number, leave)
    try:
        yield
    finally:
        # A second Ctrl-C must not leave half of it undone.
        for ending in _ENDING:
            signal.signal(ending, signal.SIG_IGN)
        try:
            clean_up()
        finally:
            for ending, handler in before.items():
                signal.signal(ending, handler)
