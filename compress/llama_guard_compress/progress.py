# SPDX-License-Identifier: Apache-2.0
"""Lines of progress: step, loss, examples a second, time left."""

import sys
import time
from typing import List, Optional


def say(text: str) -> None:
    """One line, at once."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Progress of a loop; prints a line every `every` seconds at most."""

    def __init__(self, name: str, total: int, start: int = 0, every: float = 10.0) -> None:
        self._name, self._total, self._start, self._every = name, total, start, every
        self._begin = self._last = time.monotonic()
        self._examples = 0
        self._losses: List[float] = []

    def step(self, step: int, examples: int, loss: Optional[float] = None) -> None:
        """After step `step`, counted from 1."""
        self._examples += examples
        if loss is not None:
            self._losses.append(loss)
        now = time.monotonic()
        if now - self._last < self._every and step < self._total:
            return
        self._last = now
        spent = now - self._begin
        left = spent / (step - self._start) * (self._total - step)
        loss = f"loss {sum(self._losses) / len(self._losses):.4f}, " if self._losses else ""
        say(f"{self._name}: step {step}/{self._total}, {loss}{self._examples / spent:.1f} examples/s, {_duration(left)} left")
        self._losses.clear()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
