# SPDX-License-Identifier: Apache-2.0
"""What to leave out: how important blocks and neurons are, and smaller models without the least important ones."""

import copy
from typing import Callable, Dict, List, NamedTuple, Sequence

import torch
import torch.nn.functional as F

from .batches import Builder, measuring_batches
from .data import Conversation
from .errors import CheckpointError, RecipeError
from .evaluate import to_device
from .model import Guard, Linear
from .progress import Progress
from .prompt import Labels


class Importance(NamedTuple):
    """Means over calibration batches."""
    blocks: torch.Tensor  # [layers] 1 - mean cosine of a block's input and output
    neurons: torch.Tensor  # [layers, mlp] mean l2 norm of silu(gate) * up over the tokens of a batch


class _Watch:
    """Collects both measures from the hooks of a model. Padding does not count."""

    def __init__(self, model: Guard) -> None:
        config = model.config
        self.blocks = torch.zeros(config.layers, dtype=torch.float64)
        self.neurons = torch.zeros(config.layers, config.mlp, dtype=torch.float64)
        self.batches = 0
        self.valid = torch.empty(0, dtype=torch.bool)  # [P + B*T]
        self._hooks = []
        for i, layer in enumerate(model.model.layers):
            self._hooks.append(layer.register_forward_hook(self._on_block(i)))
            self._hooks.append(layer.mlp.down_proj.register_forward_pre_hook(self._on_neurons(i)))

    def _on_block(self, i: int) -> Callable:
        def hook(_module, inputs, output):
            cosine = F.cosine_similarity(inputs[0][self.valid], output[self.valid], dim=-1)
            self.blocks[i] += 1 - cosine.double().mean().cpu()
        return hook

    def _on_neurons(self, i: int) -> Callable:
        def hook(_module, inputs):
            self.neurons[i] += inputs[0][self.valid].float().norm(dim=0).double().cpu()
        return hook

    def close(self) -> Importance:
        for hook in self._hooks:
            hook.remove()
        return Importance(self.blocks / self.batches, self.neurons / self.batches)


@torch.no_grad()
def calibrate(model: Guard, builder: Builder, conversations: Sequence[Conversation], batches: int, size: int) -> Importance:
    """Importance over at most `batches` batches of conversations with their answers."""
    model.eval()
    device = next(model.parameters()).device
    ids = torch.tensor(builder.labels.ids, device=device)
    chosen = conversations[:batches * size]
    watch = _Watch(model)
    plan = list(measuring_batches(chosen, size))
    progress = Progress("calibrate", len(plan))
    for done, rows in enumerate(plan, 1):
        items = [builder.item(chosen[i]) for i in rows]
        batch, _ = builder.collate(items, chosen[rows[0]].role)
        lengths = torch.tensor([len(item.tokens) for item in items]).unsqueeze(1)
        inside = torch.arange(batch.bodies.shape[1]).unsqueeze(0) < lengths
        watch.valid = torch.cat([torch.ones(len(batch.prefix), dtype=torch.bool), inside.flatten()]).to(device)
        watch.batches += 1
        model(to_device(batch, device), ids)
        progress.step(done, len(rows))
    return watch.close()


def least_important(importance: torch.Tensor, count: int) -> List[int]:
    """Indices of the `count` smallest, ascending."""
    return sorted(importance.argsort()[:count].tolist())


def drop_blocks(model: Guard, dropped: Sequence[int]) -> Guard:
    """A model without these blocks, which shares its weights with `model`."""
    count = model.config.layers
    if not set(dropped) <= set(range(count)) or len(set(dropped)) == count:
        raise RecipeError(f"Blocks to drop must be among 0 to {count - 1}, and one must stay; found {list(dropped)}")
    kept = [layer for i, layer in enumerate(model.model.layers) if i not in set(dropped)]
    return _like(model, model.config.with_(layers=len(kept)), layers=kept)


def deepen(model: Guard, layers: int) -> Guard:
    """
    A deeper model with the same outputs: after each block come copies of it whose two output matrices are zero, so that
    they add nothing until they are trained (as in LLaMA Pro, Wu et al. 2024, arXiv 2401.02415).
    """
    count = model.config.layers
    if layers < count or layers % count:
        raise RecipeError(f"layers must be a multiple of the model's {count}, found {layers}")
    blocks = []
    for block in model.model.layers:
        blocks.append(block)
        for _ in range(layers // count - 1):
            new = copy.deepcopy(block)
            with torch.no_grad():
                new.self_attn.o_proj.weight.zero_()
                new.mlp.down_proj.weight.zero_()
            blocks.append(new)
    return _like(model, model.config.with_(layers=layers), layers=blocks)


def greedy_blocks(model: Guard, count: int, loss: Callable[[Guard], float]) -> List[int]:
    """Drops `count` blocks one by one, each time the one without which `loss` is lowest."""
    dropped: List[int] = []
    for _ in range(count):
        rest = [i for i in range(model.config.layers) if i not in dropped]
        dropped.append(min(rest, key=lambda i: loss(drop_blocks(model, [*dropped, i]))))
    return sorted(dropped)


def keep_neurons(model: Guard, importance: torch.Tensor, width: int) -> Guard:
    """A model with the `width` most important MLP neurons of each block, in their old order."""
    if width > model.config.mlp or importance.shape != (model.config.layers, model.config.mlp):
        raise CheckpointError(f"{width} neurons of {model.config.layers} blocks of {model.config.mlp} are wanted, by an "
                              f"importance of {list(importance.shape)}: calibrate this very model")
    smaller = Guard(model.config.with_(mlp=width))
    state: Dict[str, torch.Tensor] = dict(model.state_dict())
    for i in range(model.config.layers):
        kept = importance[i].argsort(descending=True)[:width].sort().values
        for name, axis in (("gate_proj", 0), ("up_proj", 0), ("down_proj", 1)):
            key = f"model.layers.{i}.mlp.{name}.weight"
            state[key] = state[key].index_select(axis, kept)
    smaller.load_state_dict(state)
    smaller.set_scheme(model.scheme)
    return smaller


def cut_head(model: Guard, labels: Labels) -> Guard:
    """A model whose head has the rows of the labels alone, and is no longer tied to the embedding."""
    if model.config.head_ids is not None:
        raise CheckpointError("The head is cut already")
    head = model.model.embed_tokens.weight if model.lm_head is None else model.lm_head.weight
    cut = _like(model, model.config.with_(tied=False, head_ids=list(labels.ids)), layers=list(model.model.layers))
    cut.lm_head = Linear(model.config.hidden, len(labels.ids))
    with torch.no_grad():
        cut.lm_head.weight.copy_(head[labels.ids])
    cut.set_scheme(model.scheme)
    return cut


def _like(model: Guard, config, layers: List) -> Guard:
    """A model of other dimensions over the same modules."""
    other = Guard.__new__(Guard)
    torch.nn.Module.__init__(other)
    other.config, other.scheme, other.recompute, other._tables = config, model.scheme, False, None
    other.model = torch.nn.Module()
    other.model.embed_tokens, other.model.norm = model.model.embed_tokens, model.model.norm
    other.model.layers = torch.nn.ModuleList(layers)
    other.lm_head = model.lm_head
    return other
