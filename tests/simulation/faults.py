"""What goes wrong on purpose: processes die between two statements, messages come twice, late and out of turn."""

import random
from collections import Counter
from typing import Any

from sqlalchemy import event

from common.db import Database


class Killed(BaseException):
    """The process is gone in the middle of its transaction. Not an Exception: nothing may catch and mend it."""


class Faults:
    """Chances, all of them from one seed, and a count of what they did."""

    def __init__(self, seed: int, crash: float = 0.002) -> None:
        self.dice = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self._crash = crash
        self.armed = True

    def chance(self, share: float, name: str) -> bool:
        happened = self.armed and self.dice.random() < share
        self.counts[name] += happened
        return happened

    def watch(self, database: Database) -> None:
        """From now on any statement may be the last of its process."""

        @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
        def die(*_: Any) -> None:
            if self.chance(self._crash, "crashes within a transaction"):
                raise Killed

    def days_late(self) -> int:
        """0 mostly; some days for what is delayed, weeks for what was dropped and sent anew."""
        if self.chance(0.02, "dropped and sent anew"):
            return self.dice.randint(10, 25)
        return self.dice.randint(1, 4) if self.chance(0.1, "delayed") else 0
