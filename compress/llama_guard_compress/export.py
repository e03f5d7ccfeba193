# SPDX-License-Identifier: Apache-2.0
"""
The hand-over to `llama-guard convert`.

The folder holds the weights as they were trained, in f32. `convert` rounds them by the formula that training rounded
them by, so they are rounded once and come out as nibbles and scales that training saw; a checkpoint of values times
scales could not promise that, because the scale is the largest magnitude over 7.5, which no rounded value need have.
"""

from pathlib import Path
from typing import Sequence

import torch

from .batches import Builder
from .checkpoint import save_model, write_json
from .data import Conversation
from .errors import CheckpointError
from .evaluate import judge
from .model import Guard
from .quantize import quantize_weight
from .safetensors import write_tensors


def export(model: Guard, tokenizer_from: Path, folder: Path) -> None:
    """Writes the folder that `llama-guard convert FOLDER OUT --group N` takes."""
    if model.scheme is None:
        raise CheckpointError("The model is not quantized: train it with `qat` or `distill`, or attach a group by `round`")
    save_model(folder, model, tokenizer_from)


def write_proof(model: Guard, builder: Builder, conversations: Sequence[Conversation], folder: Path) -> None:
    """
    What a test compares a conversion with. proof.safetensors: the nibbles, two a byte, and the stored scales of each
    matrix. proof.json: conversations and their label logits at the verdict position, as the runtime has them and without
    the rounding of activations, keys and values.
    """
    tensors = []
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            values, scales = quantize_weight(parameter, model.scheme.group)
            stored = scales.half() if model.scheme.group < 128 else scales
            tensors += [(f"{name}.values", _nibbles(values)), (f"{name}.scales", stored)]
    write_tensors(Path(folder) / "proof.safetensors", tensors)
    found = judge(model, builder, conversations)
    model.set_scheme(model.scheme._replace(activations=False))
    unrounded = judge(model, builder, conversations)
    model.set_scheme(model.scheme._replace(activations=True))
    write_json(Path(folder) / "proof.json", {
        "labels": builder.labels.texts,
        "conversations": [[{"role": r, "content": t} for r, t in zip(c.roles, c.texts)] for c in conversations],
        "logits": found.logits.tolist(),
        "logits_without_activation_rounding": unrounded.logits.tolist(),
        "scores": found.scores.tolist(),
    })


def _nibbles(values: torch.Tensor) -> torch.Tensor:
    """Values [n, k] -> [n, k/2]: column 2j in the low half of byte j, column 2j + 1 in the high one, each plus 8."""
    shifted = (values + 8).to(torch.uint8)
    return shifted[:, ::2] | (shifted[:, 1::2] << 4)


def conversion_command(folder: Path, group: int) -> str:
    return f"llama-guard convert {folder} OUT --group {group}"
