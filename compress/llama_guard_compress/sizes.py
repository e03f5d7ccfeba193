# SPDX-License-Identifier: Apache-2.0
"""Bytes of models, and memory of training them."""

from typing import Dict

from .config import ModelConfig
from .quantize import Scheme


def float_bytes(config: ModelConfig) -> int:
    """In bf16."""
    return 2 * sum(config.parameters().values())


def packed_bytes(config: ModelConfig, group: int) -> int:
    """model.safetensors of a converted model, less its header: docs/packing-format.md. The head has 20 rows there."""
    scale = 4 if group >= 128 else 2
    width, kv_width = config.heads * config.head_dim, config.kv_heads * config.head_dim

    def panels(rows: int, columns: int) -> int:
        rows = -(-rows // 16) * 16
        return rows * columns // 2 + rows * (columns // group) * (scale + 2)

    layer = (panels(width + 2 * kv_width, config.hidden) + panels(config.hidden, width)
             + panels(2 * config.mlp, config.hidden) + panels(config.hidden, config.mlp) + 2 * 4 * config.hidden)
    embedding = config.vocab * config.hidden // 2 + config.vocab * (config.hidden // group) * scale
    return embedding + config.layers * layer + 4 * config.hidden + panels(20, config.hidden)


def stored_bytes(config: ModelConfig, scheme: Scheme) -> int:
    """As a results table counts them: packed where a model is quantized, with a full head for a head that is not cut."""
    if scheme is None:
        return float_bytes(config)
    missing = 0 if config.head_ids is not None or config.tied else (config.vocab - 20) * config.hidden
    return packed_bytes(config, scheme.group) + missing // 2 + missing // scheme.group * (4 if scheme.group >= 128 else 2)


def training_memory(config: ModelConfig, frozen: int, rows: int, attended: int, recompute: bool) -> Dict[str, float]:
    """
    Estimated bytes of a training step in f32: weights, gradients, two moments and the average of what is trained, and
    the activations that the backward pass needs, of `rows` tokens that attend to `attended` each.
    """
    weights = sum(config.parameters().values())
    trained = weights - frozen
    width = config.hidden
    per_token = 14 * width + 6 * config.mlp + 3 * config.heads * attended  # about what autograd keeps of a block
    blocks = config.layers * width + per_token if recompute else config.layers * per_token
    return {"weights": 4.0 * weights, "gradients": 4.0 * trained, "moments": 8.0 * trained, "average": 4.0 * trained,
            "activations": 4.0 * rows * blocks}
