# SPDX-License-Identifier: Apache-2.0
"""
The embedding that a new model begins with: that of a bag-of-tokens classifier as in fastText (Joulin et al. 2016, arXiv
1607.01759), the mean of a message's token vectors times a matrix of classes. It is trained in seconds; a decoder that
starts from it need not find out what single words mean, which takes a small one most of its time.
"""

import random
from typing import List, Sequence, Tuple

import torch
import torch.nn.functional as F

from .data import CODES, Conversation, class_of
from .model import Guard
from .progress import Progress
from .tokenizer import Tokenizer

_BATCH, _RATE, _BLANKS, _SMOOTHING = 64, 0.01, 0.2, 0.05
_SPREAD = 0.09  # standard deviation of the embedding afterwards: about 1 / sqrt(128)


def warm_start(model: Guard, tokenizer: Tokenizer, conversations: Sequence[Conversation], epochs: int, dropout: float,
               seed: int) -> None:
    """Trains the classifier on the judged messages for some epochs and puts its vectors into the model's embedding."""
    rng, generator = random.Random(f"{seed}/bag"), torch.Generator().manual_seed(seed)
    vocab, width = model.model.embed_tokens.weight.shape
    vectors = torch.empty(vocab, width).normal_(0, 0.02, generator=generator).requires_grad_()
    classes = torch.empty(1 + len(CODES), width).normal_(0, 0.3, generator=generator).requires_grad_()
    optimizer = torch.optim.Adam([vectors, classes], lr=_RATE)
    steps = -(-len(conversations) // _BATCH)
    progress = Progress("bag of tokens", epochs * steps)
    for epoch in range(epochs):
        order = rng.sample(range(len(conversations)), len(conversations))
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1 - epoch / epochs)
        for step in range(steps):
            chosen = [conversations[i] for i in order[step * _BATCH:(step + 1) * _BATCH]]
            tokens, offsets = _bags(tokenizer, chosen, dropout, rng)
            logits = F.linear(F.embedding_bag(tokens, vectors, offsets, mode="mean"), classes)
            loss = F.cross_entropy(logits, torch.tensor([class_of(c) for c in chosen]), label_smoothing=_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress.step(epoch * steps + step + 1, len(chosen), float(loss.detach()))
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(vectors * (_SPREAD / vectors.std()))


def _bags(tokenizer: Tokenizer, conversations: Sequence[Conversation], dropout: float,
          rng: random.Random) -> Tuple[torch.Tensor, torch.Tensor]:
    """Tokens of the judged messages, a share left out, and where each message begins."""
    tokens: List[int] = []
    offsets = []
    for conversation in conversations:
        offsets.append(len(tokens))
        said = tokenizer.encode(f" {conversation.texts[-1].strip()}", dropout, rng)
        tokens += [token for token in said if rng.random() >= _BLANKS] or said
    return torch.tensor(tokens), torch.tensor(offsets)
