# SPDX-License-Identifier: Apache-2.0
"""Scores of conversations by a model, in the numerics that it was made for."""

from typing import Dict, List, NamedTuple, Sequence

import numpy as np
import torch

from .batches import Builder, measuring_batches
from .data import Conversation
from .metrics import by_category, by_group
from .model import Batch, Guard


class Answers(NamedTuple):
    """What a model says of conversations, in their order."""
    scores: np.ndarray  # [n] P(unsafe) = softmax over safe and unsafe at the verdict position
    first: List[str]  # the likeliest category after "unsafe\nS"
    logits: np.ndarray  # [n, labels] at the verdict position


def to_device(batch: Batch, device: torch.device) -> Batch:
    return Batch(*(None if part is None else part.to(device) for part in batch))


@torch.no_grad()
def judge(model: Guard, builder: Builder, conversations: Sequence[Conversation], size: int = 32) -> Answers:
    """The answers of a model."""
    was_training = model.training
    model.eval()
    labels = builder.labels
    device = next(model.parameters()).device
    ids = torch.tensor(labels.ids, device=device)
    logits = np.zeros((len(conversations), len(labels.ids)), np.float32)
    first = [""] * len(conversations)
    for rows in measuring_batches(conversations, size):
        items = [builder.probe(conversations[i]) for i in rows]
        batch, targets = builder.collate(items, conversations[rows[0]].role)
        out = model(to_device(batch, device), ids)[0].view(len(rows), targets.counts[0], -1).cpu()
        logits[rows] = out[:, builder.verdict_at].numpy()
        tops = out[:, -1][:, labels.numbers].argmax(1)
        for i, top in zip(rows, tops.tolist()):
            first[i] = f"S{top + 1}"
    model.train(was_training)
    margin = logits[:, labels.unsafe].astype(np.float64) - logits[:, labels.safe]
    return Answers(1 / (1 + np.exp(-margin)), first, logits)


def measure(model: Guard, builder: Builder, conversations: Sequence[Conversation]) -> Dict:
    """All figures of a model on conversations, as they go into a JSON file."""
    answers = judge(model, builder, conversations)
    return figures(conversations, answers.scores, answers.first)


def figures(conversations: Sequence[Conversation], scores: np.ndarray, first=None) -> Dict:
    return {
        "groups": by_group(conversations, scores),
        "categories": by_category(conversations, scores, first),
        "scores": [round(float(score), 6) for score in scores],
    }
