# SPDX-License-Identifier: Apache-2.0
"""What pruning leaves computes what the definition says, on models where the right answer is known."""

import pytest
import torch

from llama_guard_compress import prune
from llama_guard_compress.batches import Builder
from llama_guard_compress.errors import CheckpointError, RecipeError
from llama_guard_compress.evaluate import judge
from llama_guard_compress.prompt import Labels


@pytest.fixture
def builder(tokenizer):
    return Builder(tokenizer, "llama-guard-3-1b")


def silence_block(model, i):
    """A block that gives back its input."""
    with torch.no_grad():
        model.model.layers[i].self_attn.o_proj.weight.zero_()
        model.model.layers[i].mlp.down_proj.weight.zero_()


def test_a_block_that_does_nothing_is_the_least_important_and_leaves_without_a_trace(model, builder, conversations):
    silence_block(model, 1)
    before = judge(model, builder, conversations).logits
    found = prune.calibrate(model, builder, conversations, 5, 2)
    assert found.blocks[1] == pytest.approx(0, abs=1e-6) and found.blocks[0] > 0.01 and found.blocks[2] > 0.01
    dropped = prune.least_important(found.blocks, 1)
    assert dropped == [1]
    after = judge(prune.drop_blocks(model, dropped), builder, conversations).logits
    assert abs(before - after).max() < 1e-5


def test_a_deeper_model_answers_as_before_and_can_learn_in_its_new_blocks(model, builder, conversations):
    before = judge(model, builder, conversations).logits
    deep = prune.deepen(model, 6)
    assert deep.config.layers == 6
    assert abs(before - judge(deep, builder, conversations).logits).max() < 1e-6
    batch, targets = builder.collate([builder.item(conversations[0])], "user")
    logits, _ = deep(batch, torch.tensor(builder.labels.ids))
    torch.nn.functional.cross_entropy(logits, targets.labels).backward()
    for block in (1, 3, 5):
        assert deep.model.layers[block].mlp.down_proj.weight.grad.abs().max() > 0
    with pytest.raises(RecipeError, match="multiple of the model's 3, found 7"):
        prune.deepen(model, 7)


def test_greedy_dropping_takes_the_block_that_costs_least(model):
    costs = {id(layer): cost for layer, cost in zip(model.model.layers, (5.0, 1.0, 3.0))}

    def loss(smaller):
        return sum(costs.values()) - sum(costs[id(layer)] for layer in smaller.model.layers)

    assert prune.greedy_blocks(model, 1, loss) == [1]
    assert prune.greedy_blocks(model, 2, loss) == [1, 2]


def test_neurons_that_are_silent_go_first_and_without_a_trace(model, builder, conversations):
    silent = torch.arange(0, 96, 3)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.mlp.up_proj.weight[silent] = 0
    before = judge(model, builder, conversations).logits
    found = prune.calibrate(model, builder, conversations, 5, 2)
    assert (found.neurons[:, silent] == 0).all() and (found.neurons.sum(1) > 0).all()
    smaller = prune.keep_neurons(model, found.neurons, 64)
    assert smaller.config.mlp == 64
    assert abs(before - judge(smaller, builder, conversations).logits).max() < 1e-4


def test_padding_takes_no_part_in_importance(model, builder, conversations):
    """Sums over tokens add up, whatever the lengths beside each other: prefix = one + other - both together."""
    short, *others = (conversations[0]._replace(texts=("Rice " * count,)) for count in (1, 7, 40))
    prefix = len(builder.collate([builder.item(short)], "user")[0].prefix)

    def total(*chosen):
        tokens = prefix + sum(len(builder.item(c).tokens) for c in chosen)
        return prune.calibrate(model, builder, chosen, 1, len(chosen)).blocks * tokens

    first, second = (total(short) + total(other) - total(short, other) for other in others)
    assert torch.allclose(first, second, rtol=1e-4)


@pytest.mark.parametrize("tied", [False, True])
def test_the_cut_head_gives_the_logits_of_the_whole_one(model, builder, conversations, tokenizer, tied):
    if tied:
        model.config, model.lm_head = model.config.with_(tied=True), None
    before = judge(model, builder, conversations).logits
    cut = prune.cut_head(model, Labels(tokenizer))
    assert cut.lm_head.weight.shape == (20, 64) and cut.config.head_ids == Labels(tokenizer).ids
    assert abs(before - judge(cut, builder, conversations).logits).max() < 1e-5
    with pytest.raises(CheckpointError):
        prune.cut_head(cut, Labels(tokenizer))


def test_what_cannot_be_pruned_is_refused(model):
    for dropped in ([3], [0, 1, 2], [-1]):
        with pytest.raises(RecipeError):
            prune.drop_blocks(model, dropped)
    with pytest.raises(CheckpointError):
        prune.keep_neurons(model, torch.ones(2, 96), 32)
    with pytest.raises(CheckpointError):
        prune.keep_neurons(model, torch.ones(3, 96), 128)
