# SPDX-License-Identifier: Apache-2.0
"""Rounding against the worked example of docs/packing-format.md and against the formulas in plain Python."""

import math
import random
import struct

import pytest
import torch

from conftest import ROOT
from llama_guard_compress.quantize import (Scheme, activation_through, quantize_weight, round_activation, round_half,
                                           round_weight, weight_through)


def blocks():
    """The ```text blocks of the worked example."""
    text = (ROOT / "docs" / "packing-format.md").read_text().split("## Worked example")[1]
    return [part.split("```")[0].strip() for part in text.split("```text")[1:]]


def numbers(block):
    return torch.tensor([float(word) for word in block.split()])


def test_weights_have_the_nibbles_and_scales_of_the_worked_example():
    weight = numbers(blocks()[0]).view(2, 64)
    values, scales = quantize_weight(weight, 32)
    expected = [struct.unpack("<e", struct.pack("<H", int(word, 16)))[0] for word in blocks()[1].split()]
    assert scales.flatten().tolist() == expected
    nibbles = [[int(c, 16) - 8 for c in line] for line in blocks()[2].split()]
    assert values.view(4, 32).tolist() == nibbles


def test_activations_have_the_result_of_the_worked_example():
    weight = round_weight(numbers(blocks()[0]).view(2, 64), 32)
    x = round_activation(numbers(blocks()[4 + 1]).view(1, 64))
    result = (x.double() @ weight.double().T).flatten().tolist()
    assert result == pytest.approx(numbers(blocks()[-1]).tolist(), rel=1e-6)


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def plain_steps(row):
    """quantize_q8 of docs/numerics.md with every operation rounded to f32: q - zp of each value, and 1/S."""
    low, high = min(0.0, *row), max(0.0, *row)
    span = f32(high - low)
    scale = f32(255 / span) if span >= 1e-36 else 1.0
    dmin, dmax = f32(low * scale), f32(high * scale)
    zero = f32(-128 - dmin) if f32(f32(-128 + dmin) + f32(127 + dmax)) > 0 else f32(127 - dmax)
    zero = round(max(-128.0, min(127.0, zero)))
    return [round(max(-128 - zero, min(127 - zero, f32(x * scale)))) for x in row], f32(1 / scale)


@pytest.mark.parametrize("seed", range(20))
def test_activations_are_rounded_by_the_formula(seed):
    rng = random.Random(seed)
    spread = 10.0 ** rng.randint(-6, 6)
    row = [f32(rng.gauss(rng.choice((0, 1, -3)), 1) * spread) for _ in range(50)]
    steps, inverse = plain_steps(row)
    assert round_activation(torch.tensor([row])).flatten().tolist() == [f32(s * inverse) for s in steps]


@pytest.mark.parametrize("row", [[0.0] * 8, [1e-38] * 8, [5.0] * 8, [-5.0] * 8, [0.0] * 7 + [1.0], [-1.0, 1.0] * 4])
def test_rows_at_the_corners_are_rounded_by_the_formula(row):
    steps, inverse = plain_steps([f32(x) for x in row])
    assert round_activation(torch.tensor([row])).flatten().tolist() == [f32(s * inverse) for s in steps]


@pytest.mark.parametrize("group", [32, 64, 128, 256])
def test_scales_are_stored_in_f16_below_group_128_and_in_f32_from_there(group):
    weight = torch.randn(8, 512, generator=torch.Generator().manual_seed(group))
    values, scales = quantize_weight(weight, group)
    largest = weight.view(8, -1, group).abs().amax(2) / 7.5
    assert torch.equal(scales, largest.half().float() if group < 128 else largest)
    assert values.min() >= -8 and values.max() <= 7
    assert (weight.view(8, -1, group) - values.view(8, -1, group) * scales[..., None]).abs().max() <= 0.52 * scales.max()


def test_rounded_weights_need_not_survive_a_second_rounding():
    """Why the export holds the trained weights and not values times scales."""
    once = round_weight(torch.randn(64, 64, generator=torch.Generator().manual_seed(1)), 32)
    assert not torch.equal(once, round_weight(once, 32))


def test_gradients_pass_as_if_nothing_was_rounded():
    weight = torch.randn(4, 32, requires_grad=True)
    x = torch.randn(3, 32, requires_grad=True)
    weight_through(weight, Scheme(32)).sum().backward()
    activation_through(x, Scheme(32)).sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight)) and torch.equal(x.grad, torch.ones_like(x))


def test_halves_round_to_nearest_even():
    assert round_half(torch.tensor([2049.0, 2051.0, math.pi])).tolist() == [2048.0, 2052.0, 3.140625]
