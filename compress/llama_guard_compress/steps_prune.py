# SPDX-License-Identifier: Apache-2.0
"""Steps that measure importance and leave parts out, and the export."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, List, Optional

import torch

from . import prune
from .batches import Builder
from .checkpoint import read_json, save_model
from .distributed import World
from .errors import CheckpointError, RecipeError
from .evaluate import judge
from .export import conversion_command, export, write_proof
from .metrics import auc
from .progress import say
from .safetensors import TensorFile, write_tensors
from .steps import STYLE, Step, open_model, require, training_part, write_result

_LAYERS, _NEURONS = "importance.json", "neurons.safetensors"


@dataclass
class Calibrate(Step):
    """Importance of blocks and neurons, on the training part of a file."""
    model: str = ""
    data: str = ""
    validation: float = 0.05
    batches: int = 30
    batch: int = 32
    lead: bool = True

    def run(self, out: Path, world: World) -> None:
        require(self, "model", "data")
        model, tokenizer = open_model(self.model, world)
        data, _ = training_part(self.data, self.validation)
        random.Random(1).shuffle(data)
        found = prune.calibrate(model, Builder(tokenizer, STYLE, lead=self.lead), data, self.batches, self.batch)
        say("importance of blocks: " + " ".join(f"{x:.4f}" for x in found.blocks.tolist()))
        write_result(out, _LAYERS, {"blocks": found.blocks.tolist()})
        write_tensors(out / _NEURONS, [("neurons", found.neurons)])


@dataclass
class Deepen(Step):
    """Adds blocks that change nothing yet to a model that was trained with fewer, to go on with."""
    MODEL: ClassVar[bool] = True
    model: str = ""
    layers: int = 16

    def run(self, out: Path, world: World) -> None:
        require(self, "model")
        model, _ = open_model(self.model, world)
        save_model(out, prune.deepen(model, self.layers), Path(self.model))


@dataclass
class PruneBlocks(Step):
    """Keeps some blocks: the most important ones, those that greedy dropping by loss leaves, or all but a given list."""
    MODEL: ClassVar[bool] = True
    model: str = ""
    importance: Optional[str] = None
    keep: int = 12
    by: str = "importance"  # or "loss"
    drop: List[int] = field(default_factory=list)  # instead of both
    data: Optional[str] = None  # for "loss"
    validation: float = 0.05
    sample: int = 512  # conversations of the training part that the loss is taken on
    lead: bool = True

    def run(self, out: Path, world: World) -> None:
        require(self, "model")
        model, tokenizer = open_model(self.model, world)
        dropped = self._dropped(model, tokenizer)
        say(f"{out.name}: drops the blocks {dropped}")
        save_model(out, prune.drop_blocks(model, dropped), Path(self.model))
        write_result(out, "dropped.json", {"blocks": dropped})

    def _dropped(self, model, tokenizer) -> List[int]:
        count = model.config.layers - self.keep
        if not 0 <= count < model.config.layers:
            raise RecipeError(f"keep must be from 1 to {model.config.layers}, found {self.keep}")
        if self.drop:
            return self.drop
        if self.by == "loss":
            require(self, "data")
            sample = training_part(self.data, self.validation)[0][:self.sample]
            builder = Builder(tokenizer, STYLE, lead=self.lead)
            return prune.greedy_blocks(model, count, lambda smaller: verdict_loss(smaller, builder, sample))
        if self.by != "importance":
            raise RecipeError(f'by must be "importance" or "loss", found {self.by!r}')
        require(self, "importance")
        return prune.least_important(block_importance(self.importance, model), count)


@dataclass
class PruneNeurons(Step):
    """Keeps the MLP neurons of the largest mean norm."""
    MODEL: ClassVar[bool] = True
    model: str = ""
    importance: str = ""
    keep: float = 0.78125  # of the width, or how many where it is above 1
    multiple: int = 32  # the width becomes a multiple of this: the group that is wanted

    def run(self, out: Path, world: World) -> None:
        require(self, "model", "importance")
        model, _ = open_model(self.model, world)
        neurons = TensorFile(Path(self.importance) / _NEURONS).read("neurons")
        save_model(out, prune.keep_neurons(model, neurons, self.width(model.config.mlp)), Path(self.model))

    def width(self, full: int) -> int:
        wanted = self.keep if self.keep > 1 else self.keep * full
        return max(self.multiple, round(wanted / self.multiple) * self.multiple)


@dataclass
class PruneHead(Step):
    """Keeps the 20 rows of the head that a verdict is made of."""
    MODEL: ClassVar[bool] = True
    model: str = ""

    def run(self, out: Path, world: World) -> None:
        require(self, "model")
        model, tokenizer = open_model(self.model, world)
        save_model(out, prune.cut_head(model, Builder(tokenizer, STYLE).labels), Path(self.model))


@dataclass
class RandomBlocks(Step):
    """Drops as many blocks by importance and at random (never the first), several times: how much does order matter?"""
    model: str = ""
    importance: str = ""
    data: str = ""
    validation: float = 0.05
    keep: int = 12
    draws: int = 5
    seed: int = 1
    lead: bool = True

    def run(self, out: Path, world: World) -> None:
        require(self, "model", "importance", "data")
        model, tokenizer = open_model(self.model, world)
        sample = training_part(self.data, self.validation)[1]
        builder = Builder(tokenizer, STYLE, lead=self.lead)
        count = model.config.layers - self.keep
        rng = random.Random(self.seed)
        sets = [prune.least_important(block_importance(self.importance, model), count)]
        sets += [sorted(rng.sample(range(1, model.config.layers), count)) for _ in range(self.draws)]
        rows = []
        for i, dropped in enumerate(sets):
            smaller = prune.drop_blocks(model, dropped)
            scores = judge(smaller, builder, sample).scores
            rows.append({"by": "random" if i else "importance", "dropped": dropped,
                         "loss": loss_of(scores, sample),
                         "auc": auc(scores, torch.tensor([c.unsafe for c in sample]).numpy())})
            say(f"{out.name}: without {dropped} ({rows[-1]['by']}): loss {rows[-1]['loss']:.4f}, AUC {rows[-1]['auc']:.4f}")
        write_result(out, "random-blocks.json", {"keep": self.keep, "conversations": len(sample), "sets": rows})


@dataclass
class Export(Step):
    """The folder that `llama-guard convert` takes, with what a test compares the conversion with."""
    MODEL: ClassVar[bool] = True
    model: str = ""
    data: Optional[str] = None  # conversations for proof.json
    proof: int = 0  # how many of them
    lead: bool = True

    def run(self, out: Path, world: World) -> None:
        require(self, "model")
        model, tokenizer = open_model(self.model, world)
        export(model, Path(self.model), out)
        if self.proof:
            require(self, "data")
            from .data import read_conversations
            chosen = read_conversations(Path(self.data))[:self.proof]
            write_proof(model, Builder(tokenizer, STYLE, lead=self.lead), chosen, out)
        say(f"{out.name}: next, {conversion_command(out, model.scheme.group)}")


def block_importance(folder: str, model) -> torch.Tensor:
    blocks = torch.tensor(read_json(Path(folder) / _LAYERS)["blocks"])
    if len(blocks) != model.config.layers:
        raise CheckpointError(f"{folder} has the importance of {len(blocks)} blocks, the model {model.config.layers}")
    return blocks


def verdict_loss(model, builder: Builder, sample) -> float:
    return loss_of(judge(model, builder, sample).scores, sample)


def loss_of(scores, sample) -> float:
    """Mean cross-entropy of the verdicts."""
    right = [p if c.unsafe else 1 - p for p, c in zip(scores, sample)]
    return float(-torch.tensor(right).clamp(min=1e-12).log().mean())
