# SPDX-License-Identifier: Apache-2.0
"""
The runtime's quantization in PyTorch, for training through it. docs/numerics.md and docs/packing-format.md of the
project define the formulas; every operation here is the same IEEE operation in float32, so that nibbles and scales are
those that `llama-guard convert` computes, bit for bit.
"""

from typing import Callable, NamedTuple, Optional, Tuple

import torch

GROUPS = (32, 64, 128, 256)
_SMALLEST_RANGE = 1e-36


class Scheme(NamedTuple):
    """How a model is quantized."""
    group: int  # weights that share a scale, in every matrix and in the embedding
    activations: bool = True  # the input of each matrix as INT8, keys and values as f16


def quantize_weight(weight: torch.Tensor, group: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """
    INT4 in groups. weight [n, k] -> values [n, k], int8 in -8..7, and scales [n, k/group], f32 as they are stored:
    groups below 128 have f16 scales.
    """
    grouped = weight.detach().float().reshape(weight.shape[0], -1, group)
    largest = grouped.abs().amax(dim=2)
    # Tensor by tensor: divided by a number, torch may multiply by its reciprocal, which rounds twice.
    scales = largest / torch.full_like(largest, 7.5)
    if group < 128:
        scales = scales.half().float()
    # A scale of zero makes 0/0 or x/0; such a group is all zeros.
    ratio = grouped / scales.unsqueeze(2)
    values = torch.where(scales.unsqueeze(2) > 0, ratio.clamp(-8, 7), torch.zeros_like(ratio)).round()
    return values.to(torch.int8).reshape(weight.shape), scales


def round_weight(weight: torch.Tensor, group: int) -> torch.Tensor:
    """The f32 weights that the runtime computes with: value * scale. [n, k] -> [n, k]."""
    values, scales = quantize_weight(weight, group)
    grouped = values.float().reshape(weight.shape[0], -1, group) * scales.unsqueeze(2)
    return grouped.reshape(weight.shape)


def round_activation(x: torch.Tensor) -> torch.Tensor:
    """INT8 with one scale and zero point a row, back in f32. x [n, k] -> [n, k]; quantize_q8 of docs/numerics.md."""
    x = x.detach().float()
    low = x.amin(dim=-1, keepdim=True).clamp(max=0)
    high = x.amax(dim=-1, keepdim=True).clamp(min=0)
    span = high - low
    scale = torch.where(span < _SMALLEST_RANGE, torch.ones_like(span), torch.full_like(span, 255) / span)
    low, high = low * scale, high * scale
    zero = torch.where((-128 + low) + (127 + high) > 0, -128 - low, 127 - high)
    zero = zero.clamp(-128, 127).round()
    # With q = steps + zero, the runtime's matrix product takes q - zero, which is `steps`.
    steps = torch.minimum(torch.maximum(x * scale, -128 - zero), 127 - zero).round()
    return steps * (1 / scale)


def round_half(x: torch.Tensor) -> torch.Tensor:
    """As the runtime keeps keys and values."""
    return x.detach().half().float()


class _StraightThrough(torch.autograd.Function):
    """A rounding whose gradient is that of the identity. No value is out of range: every scale comes from the data."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, rounding: Callable, *arguments) -> torch.Tensor:
        ctx.extra = 1 + len(arguments)
        return rounding(x, *arguments).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor):
        return (gradient, *([None] * ctx.extra))


def weight_through(weight: torch.Tensor, scheme: Optional[Scheme]) -> torch.Tensor:
    """`weight` as the runtime has it, with a straight-through gradient; as it is without a scheme."""
    return weight if scheme is None else _StraightThrough.apply(weight, round_weight, scheme.group)


def activation_through(x: torch.Tensor, scheme: Optional[Scheme]) -> torch.Tensor:
    """The input of a matrix as the runtime has it."""
    return x if scheme is None or not scheme.activations else _StraightThrough.apply(x, round_activation)


def key_value_through(x: torch.Tensor, scheme: Optional[Scheme]) -> torch.Tensor:
    """Keys or values as the runtime has them."""
    return x if scheme is None or not scheme.activations else _StraightThrough.apply(x, round_half)
