# SPDX-License-Identifier: Apache-2.0
"""The dimensions of a model, as config.json of a Hugging Face folder has them."""

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Dict, List, Optional

import torch

from .errors import CheckpointError

LLAMA3_ROPE = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 8192}
# config.json of a cut head: token ids of its rows, in order.
HEAD_IDS = "head_token_ids"


@dataclass(frozen=True)
class ModelConfig:
    """A Llama decoder. Defaults: what Llama Guard 3-1B and the miniature have in common."""
    layers: int
    hidden: int
    mlp: int
    heads: int
    kv_heads: int
    vocab: int
    head_dim: int = 64
    tied: bool = False
    eps: float = 1e-5
    rope_theta: float = 500000.0
    rope_scaling: Optional[Dict] = field(default_factory=lambda: dict(LLAMA3_ROPE))
    positions: int = 8192
    head_ids: Optional[List[int]] = None  # of a head that is cut

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise CheckpointError(f"{self.heads} heads cannot share {self.kv_heads} KV heads")

    @property
    def head_rows(self) -> int:
        return self.vocab if self.head_ids is None else len(self.head_ids)

    def parameters(self) -> Dict[str, int]:
        """Numbers of weights, by part."""
        attention = self.hidden * self.head_dim * 2 * (self.heads + self.kv_heads)
        return {
            "embedding": self.vocab * self.hidden,
            "layers": self.layers * (attention + 3 * self.hidden * self.mlp + 2 * self.hidden),
            "norm": self.hidden,
            "head": 0 if self.tied else self.head_rows * self.hidden,
        }

    def with_(self, **changes) -> "ModelConfig":
        return replace(self, **changes)

    def rope_frequencies(self) -> torch.Tensor:
        """Angle per position of each pair of lanes, [head_dim/2], rounded to f32 as the runtime stores them."""
        frequencies = [self.rope_theta ** (-2 * i / self.head_dim) for i in range(self.head_dim // 2)]
        return torch.tensor([self._stretched(f) for f in frequencies], dtype=torch.float32)

    def _stretched(self, frequency: float) -> float:
        scaling = self.rope_scaling
        if not scaling:
            return frequency
        span, low, high = (scaling[key] for key in
                           ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor"))
        wavelength = 2 * math.pi / frequency
        if wavelength < span / high:
            return frequency
        if wavelength > span / low:
            return frequency / scaling["factor"]
        blend = (span / wavelength - low) / (high - low)
        return (1 - blend) * frequency / scaling["factor"] + blend * frequency

    def to_json(self) -> Dict:
        """config.json."""
        fields = {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
            "num_hidden_layers": self.layers, "hidden_size": self.hidden, "intermediate_size": self.mlp,
            "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "head_dim": self.head_dim,
            "vocab_size": self.vocab, "max_position_embeddings": self.positions, "rms_norm_eps": self.eps,
            "rope_theta": self.rope_theta, "rope_scaling": self.rope_scaling, "tie_word_embeddings": self.tied,
            "attention_bias": False, "mlp_bias": False, "torch_dtype": "float32",
        }
        return fields if self.head_ids is None else {**fields, HEAD_IDS: self.head_ids}


def read_config(folder: Path) -> ModelConfig:
    """The config of a checkpoint folder."""
    path = Path(folder) / "config.json"
    try:
        data = json.loads(path.read_text("utf-8"))
        heads = data["num_attention_heads"]
        rope = data.get("rope_parameters") or data.get("rope_scaling")
        config = ModelConfig(
            layers=data["num_hidden_layers"], hidden=data["hidden_size"], mlp=data["intermediate_size"], heads=heads,
            kv_heads=data.get("num_key_value_heads", heads), vocab=data["vocab_size"],
            head_dim=data.get("head_dim") or data["hidden_size"] // heads, tied=data.get("tie_word_embeddings", False),
            eps=data.get("rms_norm_eps", 1e-6),
            rope_theta=data.get("rope_theta") or (rope or {}).get("rope_theta", 10000.0),
            rope_scaling=rope if rope and rope.get("rope_type", "default") != "default" else None,
            positions=data.get("max_position_embeddings", 2048), head_ids=data.get(HEAD_IDS),
        )
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no config of a Llama decoder: {error!r}") from error
    if data.get("model_type") != "llama" or (config.rope_scaling or LLAMA3_ROPE).get("rope_type") != "llama3":
        raise CheckpointError(f"{path}: only plain Llama decoders with RoPE scaling llama3 or none are known here")
    return config
