# SPDX-License-Identifier: Apache-2.0
"""Parts of the loss that a miniature trained from nothing needs, beside that of the right answer."""

from typing import Sequence

import torch
import torch.nn.functional as F

from .batches import Guesses, Targets
from .prompt import Labels


def guess_loss(logits: torch.Tensor, guesses: Guesses, labels: Labels, conversations: int, smoothing: float) -> torch.Tensor:
    """
    Cross entropy of logits [J, labels] at the tokens of the judged messages, among "safe" and the numbers alone. Without
    it the one verdict at the end of a prompt must teach all blocks where to look.
    """
    rows = torch.tensor(labels.verdicts, device=logits.device)
    classes = torch.searchsorted(rows, guesses.labels.to(logits.device))  # rows are ascending
    per_token = F.cross_entropy(logits[:, rows], classes, reduction="none", label_smoothing=smoothing)
    return (per_token * guesses.weights.to(logits.device)).sum() / conversations


def verdict_rows(targets: Targets, lead: bool) -> torch.Tensor:
    """Answer row of each conversation's verdict, [B]."""
    starts = torch.tensor([0, *targets.counts[:-1]]).cumsum(0)
    return starts + int(lead)


def taught_verdicts(logits: torch.Tensor, unsafe: Sequence[float], labels: Labels) -> torch.Tensor:
    """Cross entropy [B] of the verdict's logits [B, labels] against a teacher's P(unsafe), among the two verdicts."""
    wanted = torch.tensor(unsafe, device=logits.device, dtype=logits.dtype)
    said = logits[:, [labels.safe, labels.unsafe]].log_softmax(-1)
    return -(1 - wanted) * said[:, 0] - wanted * said[:, 1]
