# SPDX-License-Identifier: Apache-2.0
"""
The Llama decoder in plain PyTorch, module names as in Hugging Face checkpoints.

A batch is one shared prefix (the policy) and B bodies of T tokens that follow it. All tokens are rows of one matrix,
first the P of the prefix, then the B*T of the bodies, so that every weight is used, and rounded, once a pass; the
prefix's keys and values are computed once, with gradient, and serve all bodies.
"""

from typing import NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from .config import ModelConfig
from .quantize import Scheme, activation_through, key_value_through, weight_through


class Batch(NamedTuple):
    """Token ids and which rows matter. Bodies are padded on the right, where causal attention never looks."""
    prefix: torch.Tensor  # [P]
    bodies: torch.Tensor  # [B, T]
    answer_rows: torch.Tensor  # [A] rows of bodies.flatten() whose label logits are wanted
    kept: Optional[torch.Tensor] = None  # [B, T] 0 for tokens that are blanked out, else 1
    text_rows: Optional[torch.Tensor] = None  # [M] rows whose logits over the whole vocabulary are wanted


class Shape(NamedTuple):
    """P, B and T of a batch."""
    prefix: int
    bodies: int
    length: int


class Linear(nn.Module):
    """A matrix without bias, rounded to INT4 where the model has a scheme."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))  # [n, k]
        self.scheme: Optional[Scheme] = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [rows, k], rounded by the caller since several matrices share it -> [rows, n]."""
        return F.linear(x, weight_through(self.weight, self.scheme))


class RmsNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.float()
        return x * (x.square().mean(-1, keepdim=True) + self.eps).rsqrt() * self.weight


class Attention(nn.Module):
    """Grouped-query attention. G query heads share each KV head."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.kv_heads, self.head_dim = config.kv_heads, config.head_dim
        self.sharing = config.heads // config.kv_heads
        width = config.heads * config.head_dim
        self.q_proj = Linear(config.hidden, width)
        self.k_proj = Linear(config.hidden, config.kv_heads * config.head_dim)
        self.v_proj = Linear(config.hidden, config.kv_heads * config.head_dim)
        self.o_proj = Linear(width, config.hidden)

    def forward(self, x: torch.Tensor, rope: Tuple[torch.Tensor, torch.Tensor], shape: Shape) -> torch.Tensor:
        """x [P + B*T, d], rounded -> the same shape."""
        scheme = self.q_proj.scheme
        q = _rotate(self.q_proj(x).view(-1, self.kv_heads * self.sharing, self.head_dim), rope)
        k = _rotate(self.k_proj(x).view(-1, self.kv_heads, self.head_dim), rope)
        v = self.v_proj(x).view(-1, self.kv_heads, self.head_dim)
        q, k, v = (t.float() for t in (q * self.head_dim ** -0.5, key_value_through(k, scheme), key_value_through(v, scheme)))
        q = q.view(-1, self.kv_heads, self.sharing, self.head_dim)
        (q_prefix, q_bodies), (k_prefix, k_bodies), (v_prefix, v_bodies) = (
            t.split([shape.prefix, t.shape[0] - shape.prefix]) for t in (q, k, v))
        k_prefix, v_prefix = (t.transpose(0, 1) for t in (k_prefix, v_prefix))  # [kv, P, hd]
        out = torch.cat([
            self._attend_prefix(q_prefix, k_prefix, v_prefix),
            self._attend_bodies(q_bodies, (k_prefix, k_bodies), (v_prefix, v_bodies), shape),
        ])
        return self.o_proj(activation_through(out, scheme))

    def _attend_prefix(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """q [P, kv, G, hd]; k, v [kv, P, hd] -> [P, heads * hd]."""
        length = q.shape[0]
        q = q.permute(1, 2, 0, 3).reshape(self.kv_heads, -1, self.head_dim)  # [kv, G*P, hd]
        scores = (q @ k.transpose(1, 2)).view(self.kv_heads, self.sharing, length, length) + _causal(length, q)
        out = scores.softmax(-1).view(self.kv_heads, -1, length) @ v
        return out.view(self.kv_heads, self.sharing, length, -1).permute(2, 0, 1, 3).reshape(length, -1)

    def _attend_bodies(self, q: torch.Tensor, keys: Tuple, values: Tuple, shape: Shape) -> torch.Tensor:
        """q [B*T, kv, G, hd]; keys and values of prefix [kv, P, hd] and bodies [B*T, kv, hd] -> [B*T, heads * hd]."""
        kv, group, hd = self.kv_heads, self.sharing, self.head_dim
        prefix, bodies, length = shape
        own_k, own_v = (t.view(bodies, length, kv, hd).permute(2, 0, 1, 3) for t in (keys[1], values[1]))  # [kv, B, T, hd]
        q = q.view(bodies, length, kv, group, hd).permute(2, 0, 3, 1, 4)  # [kv, B, G, T, hd]
        q = q.reshape(kv, bodies, group * length, hd)
        shared = q.view(kv, -1, hd) @ keys[0].transpose(1, 2)  # [kv, B*G*T, P]
        own = (q @ own_k.transpose(2, 3)).view(kv, bodies, group, length, length) + _causal(length, q)
        scores = torch.cat([shared.view(kv, bodies, group, length, prefix), own], -1)
        p_shared, p_own = scores.softmax(-1).split([prefix, length], -1)
        out = (p_shared.reshape(kv, -1, prefix) @ values[0]).view(kv, bodies, group * length, hd)
        out = out + p_own.reshape(kv, bodies, group * length, length) @ own_v
        return out.view(kv, bodies, group, length, hd).permute(1, 3, 0, 2, 4).reshape(bodies * length, -1)


class Mlp(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden, config.mlp)
        self.up_proj = Linear(config.hidden, config.mlp)
        self.down_proj = Linear(config.mlp, config.hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [rows, d], rounded -> [rows, d]."""
        return self.down_proj(activation_through(F.silu(self.gate_proj(x)) * self.up_proj(x), self.down_proj.scheme))


class Layer(nn.Module):
    """One decoder block."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(config.hidden, config.eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RmsNorm(config.hidden, config.eps)
        self.mlp = Mlp(config)

    def forward(self, x: torch.Tensor, rope: Tuple[torch.Tensor, torch.Tensor], shape: Shape) -> torch.Tensor:
        scheme = self.mlp.down_proj.scheme
        x = x + self.self_attn(activation_through(self.input_layernorm(x), scheme), rope, shape)
        return x + self.mlp(activation_through(self.post_attention_layernorm(x), scheme))


class Decoder(nn.Module):
    """What Hugging Face calls `model`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab, config.hidden)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = RmsNorm(config.hidden, config.eps)


class Guard(nn.Module):
    """The decoder and its head."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.lm_head = None if config.tied else Linear(config.hidden, config.head_rows)
        self.scheme: Optional[Scheme] = None
        self.recompute = False  # activations of a block again in the backward pass: less memory, more time
        self._tables: Optional[Tuple[torch.Tensor, torch.Tensor]] = None

    def set_scheme(self, scheme: Optional[Scheme]) -> None:
        """Computes as the runtime does from now on; None for float."""
        self.scheme = scheme
        for module in self.modules():
            if isinstance(module, Linear):
                module.scheme = scheme

    def forward(self, batch: Batch, label_ids: torch.Tensor) -> Tuple[torch.Tensor, Optional[torch.Tensor]]:
        """Label logits [A, labels] of the answer rows, and logits [M, vocab] of the text rows where there are any."""
        bodies, length = batch.bodies.shape
        shape = Shape(batch.prefix.shape[0], bodies, length)
        x = F.embedding(torch.cat([batch.prefix, batch.bodies.flatten()]), self.model.embed_tokens.weight)
        x = weight_through(x, self.scheme)
        if batch.kept is not None:
            ones = torch.ones_like(batch.prefix, dtype=x.dtype)
            x = x * torch.cat([ones, batch.kept.flatten()]).unsqueeze(1)
        rope = self._rope(shape, x)
        for layer in self.model.layers:
            if self.recompute and self.training:
                x = checkpoint(layer, x, rope, shape, use_reentrant=False)
            else:
                x = layer(x, rope, shape)
        rows = x[shape.prefix:]
        labels = self._logits(rows[batch.answer_rows], self._label_weight(label_ids))
        if batch.text_rows is None:
            return labels, None
        return labels, self._logits(rows[batch.text_rows], self._head_weight())

    def _head_weight(self) -> torch.Tensor:
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    def _label_weight(self, label_ids: torch.Tensor) -> torch.Tensor:
        """[labels, d]: those rows of a full head; a cut head has no others."""
        weight = self._head_weight()
        return weight if self.config.head_ids is not None else F.embedding(label_ids, weight)

    def _logits(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        normed = activation_through(self.model.norm(x), self.scheme)
        return F.linear(normed, weight_through(weight, self.scheme)).float()

    def _rope(self, shape: Shape, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines of every row, [P + B*T, 1, hd/2]."""
        longest = shape.prefix + shape.length
        if self._tables is None or self._tables[0].shape[0] < longest or self._tables[0].device != x.device:
            angles = torch.arange(longest, dtype=torch.float64)[:, None] * self.config.rope_frequencies().double()
            self._tables = (angles.cos().float().to(x.device), angles.sin().float().to(x.device))
        positions = torch.arange(longest, device=x.device)
        positions = torch.cat([positions[:shape.prefix], positions[shape.prefix:].repeat(shape.bodies)])
        return tuple(table[positions].unsqueeze(1) for table in self._tables)


def _rotate(x: torch.Tensor, rope: Tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """x [rows, heads, hd]; lanes i and i + hd/2 are a pair, as in Hugging Face checkpoints."""
    cos, sin = rope
    a, b = x.float().chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def _causal(length: int, like: torch.Tensor) -> torch.Tensor:
    """[T, T], -inf above the diagonal."""
    return torch.full((length, length), float("-inf"), device=like.device, dtype=like.dtype).triu(1)


def initialize(model: Guard, seed: int) -> None:
    """
    Weights of a new model: normal. Embedding and head .02; matrices 1 / sqrt(inputs), those that add to the residual
    stream less the deeper the model is.
    """
    generator = torch.Generator().manual_seed(seed)
    deep = (2 * model.config.layers) ** -0.5
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                inside = parameter.shape[1] ** -0.5 * (deep if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0)
                std = inside if ".layers." in name else 0.02
                parameter.normal_(0.0, std, generator=generator)
