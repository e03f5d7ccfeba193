# SPDX-License-Identifier: Apache-2.0
"""
New conversations from parts of the training ones, labeled by the n-gram model that the same lines train.

A decoder that starts from nothing spends most of a small corpus on learning which words matter. What a bag of n-grams
knows of that is cheap to pass on: it labels as many texts as one likes, and is kept where it is sure and where a source
of the text has that label. Training on the corpus itself comes after.
"""

import random
from typing import Dict, List, Sequence, Tuple

import regex

from .baselines import fit_ngrams, judged_texts
from .data import Conversation

_CLAUSE = regex.compile(r"(?<=[.!?;:,])\s+")
_TRIES = 3  # for each conversation that is wanted


def recombine(train: Sequence[Conversation], count: int, sure: float, seed: int) -> List[Conversation]:
    """At most `count` conversations whose label the n-grams give a probability of at least `sure`."""
    rng = random.Random(seed)
    alike: Dict[Tuple[str, str], List[Conversation]] = {}
    for item in train:
        alike.setdefault((item.lang, item.role), []).append(item)
    tries = [_joined(a, rng.choice(alike[a.lang, a.role]), rng) for a in rng.choices(train, k=_TRIES * count)]
    texts = [(text, a, b) for text, a, b in tries if len(text.split()) > 2]
    made = [a._replace(texts=(*a.texts[:-1], text)) for text, a, _ in texts]
    scores = fit_ngrams(train).predict_proba(judged_texts(made))[:, 1]
    found = []
    for item, (_, a, b), score in zip(made, texts, scores):
        label = "unsafe" if score >= 0.5 else "safe"
        sources = [source for source in (a, b) if source.label == label]
        if max(score, 1 - score) >= sure and sources:
            found.append(item._replace(label=label, categories=sources[0].categories))
    return found[:count]


def _joined(a: Conversation, b: Conversation, rng: random.Random) -> Tuple[str, Conversation, Conversation]:
    """The beginning of one judged text and the end of another; or a part of the first alone."""
    if rng.random() < 0.25:
        begin, end = _cut(a.texts[-1], rng)
        return rng.choice((begin, end)), a, a
    return f"{_cut(a.texts[-1], rng)[0]} {_cut(b.texts[-1], rng)[1]}", a, b


def _cut(text: str, rng: random.Random) -> Tuple[str, str]:
    """Two parts: at the end of a clause, or between words where there is only one."""
    parts = _CLAUSE.split(text.strip())
    if len(parts) < 2:
        parts = text.split()
    at = rng.randint(1, max(1, len(parts) - 1))
    return " ".join(parts[:at]), " ".join(parts[at:]) or text
