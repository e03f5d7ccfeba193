# SPDX-License-Identifier: Apache-2.0
"""
Logits of a teacher, computed once and kept: the label logits at the positions of the right answer, about 200 bytes a
conversation. Training then never holds the teacher.
"""

import hashlib
from pathlib import Path
from typing import List, Sequence

import torch
import torch.nn.functional as F

from .batches import Builder, measuring_batches
from .checkpoint import read_json, write_json
from .data import Conversation
from .errors import DataError
from .evaluate import to_device
from .model import Guard
from .progress import Progress
from .safetensors import TensorFile, write_tensors


@torch.no_grad()
def record(model: Guard, builder: Builder, conversations: Sequence[Conversation], folder: Path, size: int = 32) -> None:
    """Writes the teacher's logits of all conversations to a folder."""
    model.eval()
    device = next(model.parameters()).device
    ids = torch.tensor(builder.labels.ids, device=device)
    rows: List[torch.Tensor] = [torch.empty(0)] * len(conversations)
    progress = Progress("teacher", len(conversations))
    done = 0
    for indices in measuring_batches(conversations, size):
        items = [builder.item(conversations[i]) for i in indices]
        batch, targets = builder.collate(items, conversations[indices[0]].role)
        logits = model(to_device(batch, device), ids)[0].cpu()
        for i, part in zip(indices, logits.split(targets.counts)):
            rows[i] = part
        done += len(indices)
        progress.step(done, len(indices))
    folder.mkdir(parents=True, exist_ok=True)
    counts = torch.tensor([len(part) for part in rows])
    write_tensors(folder / "logits.safetensors", [("logits", torch.cat(rows).half()), ("counts", counts)])
    write_json(folder / "teacher.json", {"conversations": len(conversations), "digest": digest(conversations)})


class TeacherLogits:
    """What `record` wrote, by conversation."""

    def __init__(self, folder: Path, conversations: Sequence[Conversation]) -> None:
        """Raises DataError where the logits belong to other conversations."""
        known = read_json(Path(folder) / "teacher.json")
        if known.get("digest") != digest(conversations):
            raise DataError(f"{folder} holds a teacher's logits of other conversations ({known.get('conversations')}, "
                            f"here {len(conversations)}): record them anew")
        file = TensorFile(Path(folder) / "logits.safetensors")
        self._parts = file.read("logits").float().split(file.read("counts").tolist())

    def of(self, indices: Sequence[int]) -> torch.Tensor:
        """[A, labels], in the order of a batch's answer rows."""
        return torch.cat([self._parts[i] for i in indices])


def distance(logits: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """KL(teacher || student) of each row, times temperature^2 as is usual, so that gradients keep their size. [A]"""
    soft = F.log_softmax(teacher / temperature, -1)
    mine = F.log_softmax(logits / temperature, -1)
    return (soft.exp() * (soft - mine)).sum(-1) * temperature ** 2


def digest(conversations: Sequence[Conversation]) -> str:
    """One hash over texts, labels and their order."""
    sha = hashlib.sha256()
    for item in conversations:
        sha.update(repr((item.texts, item.label, item.categories)).encode("utf-8", "replace"))
    return sha.hexdigest()
