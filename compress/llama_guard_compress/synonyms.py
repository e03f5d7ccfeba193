# SPDX-License-Identifier: Apache-2.0
"""
Other words for the same thing, from files synonyms-<lang>.txt. A line is a kind, a colon, and alternatives:

    v: kill | shoot/shoots/shot/shot/shooting dead | bump off
    n: invoice | bill | delivery/deliveries
    r: without getting caught | without being caught

v: verbs, in all five forms; n: nouns, singular and plural; other letters: phrases, as they stand. Forms that are not
spelled out are those of regular English words; of several words the first verb and the last noun changes.
"""

import random
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import regex

from .errors import DataError

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}'’-]+")
_VOWELS = "aeiou"


class Synonyms:
    """Alternatives by phrase, for one language."""

    def __init__(self, lines: List[str], where: str = "synonyms") -> None:
        self._others: Dict[str, List[str]] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            kind, colon, rest = line.partition(":")
            words = [word.strip() for word in rest.split("|") if word.strip()]
            if not colon or len(words) < 2:
                raise DataError(f"{where}:{number}: a kind, a colon and two alternatives or more are expected")
            for form in zip(*(_forms(kind.strip(), word) for word in words)):
                self._learn(form)
        self._longest = max((phrase.count(" ") + 1 for phrase in self._others), default=0)

    def replace(self, text: str, rate: float, rng: random.Random) -> str:
        """The text with each phrase that is known replaced by another with the probability `rate`."""
        spans = [match.span() for match in _WORD.finditer(text)]
        out, end, i = [], 0, 0
        while i < len(spans):
            count, others = self._match(text, spans, i)
            if others and rng.random() < rate:
                begin = spans[i][0]
                out += [text[end:begin], _like(rng.choice(others), text[begin:spans[i][1]])]
                end = spans[i + count - 1][1]
            i += count
        return "".join([*out, text[end:]])

    def _learn(self, phrases: Tuple[str, ...]) -> None:
        for phrase in phrases:
            others = self._others.setdefault(phrase.lower(), [])
            others += [other for other in phrases if other != phrase and other not in others]

    def _match(self, text: str, spans: List[Tuple[int, int]], i: int) -> Tuple[int, Optional[List[str]]]:
        """The longest known phrase that begins with word i: its words, and its alternatives."""
        for count in range(min(self._longest, len(spans) - i), 0, -1):
            others = self._others.get(text[spans[i][0]:spans[i + count - 1][1]].lower())
            if others:
                return count, others
        return 1, None


def read_synonyms(folder: Path) -> Dict[str, Synonyms]:
    """Those of each language that the folder has a file for."""
    found = {}
    for path in sorted(Path(folder).glob("synonyms-*.txt")):
        found[path.stem.partition("-")[2]] = Synonyms(path.read_text("utf-8").splitlines(), str(path))
    return found


def _like(phrase: str, first_word: str) -> str:
    """With a capital where the text had one."""
    if len(first_word) > 1 and first_word.isupper():
        return phrase.upper()
    return phrase[:1].upper() + phrase[1:] if first_word[:1].isupper() else phrase


def _forms(kind: str, phrase: str) -> Tuple[str, ...]:
    """All forms of a phrase, the same number for every phrase of a kind."""
    if kind not in ("v", "n"):
        return (phrase,)
    words = phrase.split(" ")
    at = next((i for i, word in enumerate(words) if "/" in word), 0 if kind == "v" else len(words) - 1)
    given = words[at].split("/")
    regular = _verb(given[0]) if kind == "v" else (given[0], _with_s(given[0]))
    forms = [*given, *regular[len(given):]][:len(regular)]
    return tuple(" ".join([*words[:at], form, *words[at + 1:]]) for form in forms)


def _with_s(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def _verb(word: str) -> Tuple[str, ...]:
    """kill, kills, killed, killed, killing."""
    if word.endswith("e"):
        past, going = word + "d", (word if word.endswith(("ee", "ye")) else word[:-1]) + "ing"
    elif word.endswith("y") and word[-2:-1] not in _VOWELS:
        past, going = word[:-1] + "ied", word + "ing"
    else:
        stem = word + word[-1] if _doubles(word) else word
        past, going = stem + "ed", stem + "ing"
    return word, _with_s(word), past, past, going


def _doubles(word: str) -> bool:
    """One vowel before a last consonant, in a word of one syllable: stab, stabbed."""
    return (len(word) > 2 and word[-1] not in _VOWELS + "wxy" and word[-2] in _VOWELS and word[-3] not in _VOWELS
            and sum(letter in _VOWELS for letter in word) == 1)
