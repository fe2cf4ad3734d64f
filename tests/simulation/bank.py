"""A bank with books of its own: it pays, refuses, is silent, brings back, and answers in files, late and twice."""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

from cashback.commands.bank import VERSION
from common import checked_files

Told = tuple[str, str, int]
"""(reference, outcome, kopecks)"""


@dataclass
class Bank:
    dice: random.Random
    amounts: dict[str, int] = field(default_factory=dict)
    """What it was asked to pay, by reference: once each, however often a file comes."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """The last word on each."""
    diary: dict[date, dict[int, list[Told]]] = field(default_factory=dict)
    """What it is going to answer to which file on which day."""
    answers: dict[int, int] = field(default_factory=dict)
    """How many answers it has given to a file."""

    @property
    def paid(self) -> int:
        """Kopecks that have left the union's account for good."""
        return sum(self.amounts[reference] for reference, word in self.outcomes.items() if word == "settled")

    def take(self, file_number: int, reference: str, amount: int, day: date) -> None:
        if reference in self.amounts:
            return
        self.amounts[reference] = amount
        fate = self.dice.random()
        words = ["settled"] if fate < 0.8 else ["failed"] if fate < 0.9 else ["settled", "returned"]
        if self.dice.random() < 0.1:
            words.insert(0, "unknown")
        on = day
        for word in words:
            on += timedelta(self.dice.randint(1, 6))
            self.diary.setdefault(on, {}).setdefault(file_number, []).append((reference, word, amount))

    def today(self, day: date) -> list[tuple[int, bytes]]:
        """Today's answers: (number of the file, content)."""
        files = []
        for file_number, told in sorted(self.diary.pop(day, {}).items()):
            number = self.answers[file_number] = self.answers.get(file_number, 0) + 1
            for reference, word, _ in told:
                self.outcomes[reference] = word
            lines = [["R", reference, word, str(amount), day.isoformat(), ""] for reference, word, amount in told]
            total = sum(amount for _, _, amount in told)
            content, _ = checked_files.written(VERSION, [str(file_number), str(number)], lines, [total])
            files.append((file_number, content))
        return files
