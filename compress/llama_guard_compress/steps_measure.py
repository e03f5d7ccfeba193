# SPDX-License-Identifier: Apache-2.0
"""Steps that measure: a model, and the baselines."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .baselines import always_unsafe, ngrams
from .batches import Builder
from .data import read_conversations, refuse_overlap
from .distributed import World
from .evaluate import measure
from .progress import say
from .sizes import stored_bytes
from .steps import STYLE, Step, open_model, require, training_part, write_result

RESULT = "evaluation.json"


@dataclass
class Evaluate(Step):
    """F1, false-positive rate and AUC on held-out conversations, by language, role and category."""
    model: str = ""
    data: str = ""
    train: Optional[str] = None  # a file that must not hold any of them
    lead: bool = True

    def run(self, out: Path, world: World) -> None:
        require(self, "model", "data")
        model, tokenizer = open_model(self.model, world)
        heldout = read_conversations(Path(self.data))
        if self.train:
            refuse_overlap(read_conversations(Path(self.train)), heldout, Path(self.data))
        found = measure(model, Builder(tokenizer, STYLE, lead=self.lead), heldout)
        found.update(parameters=sum(model.config.parameters().values()), bytes=stored_bytes(model.config, model.scheme),
                     layers=model.config.layers, mlp=model.config.mlp)
        write_result(out, RESULT, found)
        say(f"{out.name}: {line(found)}")


@dataclass
class Baselines(Step):
    """The two baselines on the same conversations. The n-grams need scikit-learn and are left out without it."""
    data: str = ""
    train: str = ""
    validation: float = 0.05

    def run(self, out: Path, world: World) -> None:
        require(self, "data", "train")
        heldout = read_conversations(Path(self.data))
        train, _ = training_part(self.train, self.validation)
        refuse_overlap(train, heldout, Path(self.data))
        found = {"always unsafe": always_unsafe(heldout)}
        try:
            found["n-grams"] = ngrams(train, heldout)
        except ImportError:
            say(f"{out.name}: scikit-learn is not installed, so the n-gram baseline is left out")
        write_result(out, "baselines.json", found)
        for name, figures in found.items():
            say(f"{out.name}: {name}: {line(figures)}")


def line(figures) -> str:
    """The two figures that matter most, for people."""
    parts = []
    for name in ("all", "en, user"):
        if name in figures["groups"]:
            group = figures["groups"][name]
            parts.append(f"{name}: F1 {group['f1']:.3f}, FPR {group['fpr']:.3f}, AUC {group['auc']:.3f}")
    return "; ".join(parts)
