# SPDX-License-Identifier: Apache-2.0
"""The decoder against a second one, written token by token in double precision."""

import math

import pytest
import torch

from llama_guard_compress.batches import Builder
from llama_guard_compress.evaluate import judge
from llama_guard_compress.model import Batch
from llama_guard_compress.quantize import Scheme

STYLE = "llama-guard-3-1b"


def norm(x, weight, eps):
    return x / math.sqrt(float((x * x).mean()) + eps) * weight


def turn(head, position, frequencies):
    half = len(head) // 2
    out = head.clone()
    for i in range(half):
        angle = position * float(frequencies[i])
        a, b = float(head[i]), float(head[i + half])
        out[i], out[i + half] = a * math.cos(angle) - b * math.sin(angle), b * math.cos(angle) + a * math.sin(angle)
    return out


def plain_hidden(model, tokens):
    """Normed output of the last block for each token of one sequence."""
    config, state = model.config, {name: p.detach().double() for name, p in model.named_parameters()}
    frequencies = config.rope_frequencies()
    x = state["model.embed_tokens.weight"][tokens]
    for i in range(config.layers):
        get = lambda name: state[f"model.layers.{i}.{name}.weight"]  # noqa: E731
        normed = torch.stack([norm(row, get("input_layernorm"), config.eps) for row in x])
        q, k, v = ((normed @ get(f"self_attn.{n}_proj").T).view(len(tokens), -1, config.head_dim) for n in "qkv")
        q, k = (torch.stack([torch.stack([turn(h, t, frequencies) for h in row]) for t, row in enumerate(m)]) for m in (q, k))
        out = torch.zeros(len(tokens), config.heads, config.head_dim, dtype=torch.float64)
        for head in range(config.heads):
            shared = head // (config.heads // config.kv_heads)
            for t in range(len(tokens)):
                weights = (k[:t + 1, shared] @ q[t, head] / math.sqrt(config.head_dim)).softmax(0)
                out[t, head] = weights @ v[:t + 1, shared]
        x = x + out.flatten(1) @ get("self_attn.o_proj").T
        normed = torch.stack([norm(row, get("post_attention_layernorm"), config.eps) for row in x])
        gate = normed @ get("mlp.gate_proj").T
        x = x + (gate / (1 + (-gate).exp()) * (normed @ get("mlp.up_proj").T)) @ get("mlp.down_proj").T
    return torch.stack([norm(row, state["model.norm.weight"], config.eps) for row in x])


@pytest.mark.parametrize("tied", [False, True])
def test_logits_are_those_of_a_decoder_without_shared_prefix_and_padding(model, tied):
    if tied:
        model.config, model.lm_head = model.config.with_(tied=True), None
    prefix, bodies = [5, 9, 200, 31], [[7, 8, 1000, 44, 3], [12, 4000, 6]]
    ids = torch.tensor([1, 50, 77])
    padded = torch.tensor([bodies[0], bodies[1] + [0, 0]])
    rows = torch.tensor([2, 4, 5 + 2])
    batch = Batch(torch.tensor(prefix), padded, rows, text_rows=torch.tensor([0]))
    labels, text = model(batch, ids)
    head = (model.model.embed_tokens if tied else model.lm_head).weight.detach().double()
    hidden = [plain_hidden(model, prefix + body) for body in bodies]
    expected = torch.stack([hidden[0][4 + 2], hidden[0][4 + 4], hidden[1][4 + 2]]) @ head[ids].T
    assert torch.allclose(labels.double(), expected, atol=2e-5, rtol=1e-4)
    assert torch.allclose(text.double(), (hidden[0][4] @ head.T)[None], atol=2e-5, rtol=1e-4)


def test_gradients_reach_the_prefix_through_its_keys_and_values(model):
    batch = Batch(torch.tensor([5, 9]), torch.tensor([[7, 8]]), torch.tensor([1]))
    model(batch, torch.tensor([1, 2]))[0].sum().backward()
    assert model.model.embed_tokens.weight.grad[5].abs().max() > 0


def test_recomputing_activations_changes_no_gradient(model):
    batch = Batch(torch.tensor([5, 9]), torch.tensor([[7, 8, 9], [3, 4, 5]]), torch.tensor([2, 5]))
    found = []
    for recompute in (False, True):
        model.recompute = recompute
        model.zero_grad()
        model(batch, torch.tensor([1, 2]))[0].sum().backward()
        found.append(model.model.layers[0].mlp.up_proj.weight.grad.clone())
    assert torch.equal(*found)


def test_blanked_tokens_do_not_matter(model):
    kept = torch.tensor([[1.0, 0.0, 1.0]])
    outs = [model(Batch(torch.tensor([5]), torch.tensor([[7, token, 9]]), torch.tensor([2]), kept), torch.tensor([1, 2]))[0]
            for token in (8, 4000)]
    assert torch.equal(*outs)


def test_answers_do_not_depend_on_the_batch(model, tokenizer, conversations):
    model.set_scheme(Scheme(32))
    builder = Builder(tokenizer, STYLE)
    together, alone = (judge(model, builder, conversations, size).logits for size in (32, 1))
    assert abs(together - alone).max() < 1e-2
    model.set_scheme(None)
    together, alone = (judge(model, builder, conversations, size).logits for size in (32, 1))
    assert abs(together - alone).max() < 1e-4
