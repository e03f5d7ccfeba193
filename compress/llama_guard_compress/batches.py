# SPDX-License-Identifier: Apache-2.0
"""Conversations to batches. Which conversations a training step sees follows from seed and step alone, so that a run
that was interrupted goes on as if it had not been."""

import random
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch

from .augment import vary
from .data import Conversation, class_of
from .model import Batch
from .prompt import STYLES, Labels, PromptEncoder
from .synonyms import Synonyms
from .tokenizer import Tokenizer

_POOL = 40  # batches whose conversations are sorted by length together


class Weights(NamedTuple):
    """What a position of the answer counts in the loss."""
    verdict: float = 1.0
    category: float = 0.5
    form: float = 0.1  # "\n\n", "\n", "S", ",S" and the end


class Item(NamedTuple):
    """One conversation as ids, with the right answer after it."""
    tokens: List[int]
    said: int  # leading tokens that are the conversation
    judged: int  # index of the first token of the judged message
    asked: int  # index of the last token before the answer
    targets: List[int]  # label rows: that of tokens[asked + 1], ..., and of the end
    weights: List[float]
    verdict: int  # label row of "safe", or of the number of the first category


class Guesses(NamedTuple):
    """The verdict that each token of a judged message should lead to, the later the surer."""
    labels: torch.Tensor  # [J] label rows: "safe", or the number of the first category
    weights: torch.Tensor  # [J] rising along a message; 1 in sum for each conversation


class Targets(NamedTuple):
    """What a batch should have said."""
    labels: torch.Tensor  # [A] label rows
    weights: torch.Tensor  # [A]
    text: Optional[torch.Tensor]  # [M] token ids
    counts: List[int]  # answer rows of each conversation; their sum is A
    guesses: Optional[Guesses]  # of the answer rows after the first A


class Builder:
    """Makes batches for one tokenizer and one style of prompt."""

    def __init__(self, tokenizer: Tokenizer, style: str, weights: Weights = Weights(), lead: bool = True) -> None:
        self.labels = Labels(tokenizer)
        self._encoder = PromptEncoder(tokenizer, STYLES[style])
        self._weights = weights
        self._lead = lead

    def item(self, conversation: Conversation, texts: Optional[Sequence[str]] = None, dropout: float = 0.0,
             rng: Optional[random.Random] = None) -> Item:
        """`texts` replaces the messages; `dropout` is that of the tokenizer."""
        said, judged, rest = self._encoder.encode(conversation, texts, dropout, rng)
        answer = self.labels.answer(conversation, self._lead)
        numbers = set(self.labels.numbers)
        weigh = {self.labels.safe: self._weights.verdict, self.labels.unsafe: self._weights.verdict}
        weights = [self._weights.category if row in numbers else weigh.get(row, self._weights.form) for row in answer]
        tokens = [*said, *rest, *(self.labels.ids[row] for row in answer[:-1])]
        verdict = self.labels.verdicts[class_of(conversation)]
        return Item(tokens, len(said), judged, len(said) + len(rest) - 1, answer, weights, verdict)

    def probe(self, conversation: Conversation) -> Item:
        """Instead of the right answer the one that shows both the verdict's logits and those of the first number."""
        said, judged, rest = self._encoder.encode(conversation)
        words = ["\n\n", "unsafe", "\n", "S"] if self._lead else ["unsafe", "\n", "S"]
        rows = [self.labels.texts.index(word) for word in words]
        tokens = [*said, *rest, *(self.labels.ids[row] for row in rows)]
        return Item(tokens, len(said), judged, len(said) + len(rest) - 1, [*rows, self.labels.numbers[0]],
                    [0.0] * (1 + len(rows)), self.labels.safe)

    @property
    def verdict_at(self) -> int:
        """Which of a probe's answer rows is the verdict's; the last one is the number's."""
        return int(self._lead)

    def collate(self, items: Sequence[Item], role: str, blanks: float = 0.0, with_text: bool = False,
                generator: Optional[torch.Generator] = None, with_guesses: bool = False) -> Tuple[Batch, Targets]:
        """One batch. A share `blanks` of the conversations' tokens is blanked out."""
        length = max(len(item.tokens) for item in items)
        bodies = torch.zeros(len(items), length, dtype=torch.long)
        kept = torch.ones(len(items), length) if blanks > 0 else None
        answers, texts, next_tokens = [], [], []
        for row, item in enumerate(items):
            bodies[row, :len(item.tokens)] = torch.tensor(item.tokens)
            first = row * length
            answers += range(first + item.asked, first + item.asked + len(item.targets))
            if kept is not None:
                kept[row, :item.said] = (torch.rand(item.said, generator=generator) >= blanks).float()
            if with_text:
                texts += range(first, first + item.said - 1)
                next_tokens += item.tokens[1:item.said]
        guesses = _guesses(items, length, answers) if with_guesses else None
        batch = Batch(torch.tensor(self._encoder.prefixes[role]), bodies, torch.tensor(answers), kept,
                      torch.tensor(texts) if with_text else None)
        return batch, Targets(
            torch.tensor([target for item in items for target in item.targets]),
            torch.tensor([weight for item in items for weight in item.weights]),
            torch.tensor(next_tokens) if with_text else None,
            [len(item.targets) for item in items],
            guesses,
        )


def _guesses(items: Sequence[Item], length: int, answers: List[int]) -> Guesses:
    """Adds the rows of the judged messages to `answers`."""
    labels: List[int] = []
    weights: List[float] = []
    for row, item in enumerate(items):
        count = item.said - item.judged
        answers += range(row * length + item.judged, row * length + item.said)
        labels += [item.verdict] * count
        weights += [2 * (i + 1) / (count * (count + 1)) for i in range(count)]
    return Guesses(torch.tensor(labels), torch.tensor(weights))


def plan_epoch(conversations: Sequence[Conversation], size: int, seed: int, epoch: int) -> List[List[int]]:
    """Indices of each batch of an epoch: one judged role, similar lengths, random order."""
    rng = random.Random(f"{seed}/{epoch}")
    order = list(range(len(conversations)))
    rng.shuffle(order)
    batches = []
    for begin in range(0, len(order), size * _POOL):
        pool = order[begin:begin + size * _POOL]
        for role in ("user", "assistant"):
            mine = sorted((i for i in pool if conversations[i].role == role), key=lambda i: conversations[i].length)
            batches += [mine[i:i + size] for i in range(0, len(mine), size)]
    rng.shuffle(batches)
    return batches


class Schooling:
    """The batches of a training run, by step."""

    def __init__(self, conversations: Sequence[Conversation], size: int, seed: int) -> None:
        self._conversations, self._size, self._seed = conversations, size, seed
        self._epoch = -1
        self._plan: List[List[int]] = []
        self._first_step = 0
        self._next_step = 0

    def indices(self, step: int) -> List[int]:
        """Which conversations step `step` (from 0) sees. Steps must not go back."""
        while step >= self._next_step:
            self._epoch += 1
            self._plan = plan_epoch(self._conversations, self._size, self._seed, self._epoch)
            self._first_step, self._next_step = self._next_step, self._next_step + len(self._plan)
        return self._plan[step - self._first_step]


class Variation(NamedTuple):
    """How training texts are varied."""
    vary: float  # probability of each kind of change to case, punctuation, spelling
    replace: float  # probability that a phrase is replaced by a synonym
    dropout: float  # of the tokenizer's merges


def varied(builder: Builder, conversations: Sequence[Conversation], variation: Variation,
           synonyms: Dict[str, Synonyms], rng: random.Random) -> List[Item]:
    """Items of a training batch, each text varied anew."""
    items = []
    for conversation in conversations:
        texts = conversation.texts
        if variation.replace > 0 and conversation.lang in synonyms:
            texts = tuple(synonyms[conversation.lang].replace(text, variation.replace, rng) for text in texts)
        items.append(builder.item(conversation, vary(texts, variation.vary, rng), variation.dropout, rng))
    return items


def measuring_batches(conversations: Sequence[Conversation], size: int) -> Iterator[List[int]]:
    """Indices of batches of one role and similar length, each conversation once."""
    for role in ("user", "assistant"):
        mine = sorted((i for i, c in enumerate(conversations) if c.role == role), key=lambda i: conversations[i].length)
        for begin in range(0, len(mine), size):
            yield mine[begin:begin + size]
