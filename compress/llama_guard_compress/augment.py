# SPDX-License-Identifier: Apache-2.0
"""Small changes to a text that leave its meaning, against learning letters case, punctuation and spelling by heart."""

import random
from typing import Tuple

_SHARE_TYPOS = 0.03  # of the letters of a text that gets typos


def vary(texts: Tuple[str, ...], rate: float, rng: random.Random) -> Tuple[str, ...]:
    """Each text keeps its words; each kind of change happens with the probability `rate`."""
    return tuple(_vary_one(text, rate, rng) for text in texts)


def _vary_one(text: str, rate: float, rng: random.Random) -> str:
    changed = text.strip()
    if rng.random() < rate:
        changed = rng.choice((str.lower, str.lower, str.upper, _swap_first))(changed)
    if rng.random() < rate:
        changed = _other_ending(changed, rng)
    if rng.random() < rate / 2:
        changed = changed.replace(",", "").replace("'", "")
    if rng.random() < rate / 2:
        changed = _typos(changed, rng)
    return changed if changed.strip() else text


def _swap_first(text: str) -> str:
    return text[:1].swapcase() + text[1:]


def _other_ending(text: str, rng: random.Random) -> str:
    return text.rstrip(".!?… ") + rng.choice(("", "", ".", "?", "!", "...", "??"))


def _typos(text: str, rng: random.Random) -> str:
    """Letters lost, doubled or exchanged with their neighbor."""
    letters = list(text)
    for _ in range(max(1, int(len(letters) * _SHARE_TYPOS))):
        i = rng.randrange(len(letters))
        if not letters[i].isalpha():
            continue
        kind = rng.randrange(3)
        if kind == 0:
            letters[i] = ""
        elif kind == 1:
            letters[i] *= 2
        elif i + 1 < len(letters):
            letters[i], letters[i + 1] = letters[i + 1], letters[i]
        letters = [letter for letter in letters if letter]
        if not letters:
            return text
    return "".join(letters)


def crossed(first: str, second: str, rng: random.Random) -> str:
    """The beginning of a text and the end of another. Nobody has labelled it: for lessons of a teacher alone."""
    a, b = first.split(), second.split()
    return " ".join([*a[:rng.randrange(len(a) + 1)], *b[rng.randrange(len(b) + 1):]]) or first
