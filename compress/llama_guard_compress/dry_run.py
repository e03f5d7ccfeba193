# SPDX-License-Identifier: Apache-2.0
"""What a step or a recipe would do, at its real dimensions, without weights: shapes are checked by a forward pass on
torch's meta device, which computes shapes alone, and memory is estimated."""

from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional

import torch

from . import steps, steps_prune
from .config import ModelConfig, read_config
from .errors import RecipeError
from .model import Batch, Guard
from .quantize import Scheme
from .recipe import Recipe
from .sizes import stored_bytes, training_memory
from .steps import Step, geometry

# Tokens of the official prompt: policy, and a message of 30 with the instruction and an answer (docs/prompt.md).
_PREFIX, _BODY, _ANSWER = 136, 96, 6
_LABELS = 20


class Planned(NamedTuple):
    """A model that a step would make."""
    config: ModelConfig
    scheme: Optional[Scheme]


def plan_recipe(recipe: Recipe, out: Path) -> None:
    """Prints the plan of each step."""
    planned: Dict[str, Planned] = {}
    for name, step in recipe.steps.items():
        result = plan_step(step, name, planned, recipe.geometries)
        if result is not None:
            planned[name] = result
    print(f"The shapes fit. Results would be in {out}.")


def plan_step(step: Step, name: str, planned: Optional[Dict[str, Planned]] = None,
              geometries: Optional[Dict[str, Any]] = None) -> Optional[Planned]:
    """Prints the plan of one step; returns the model that it would make."""
    source = _source(step, planned or {}, geometries or {})
    if source is None:
        print(f"{name}: no model to plan")
        return None
    result = _result(step, source)
    batch = getattr(step, "batch", 32)
    check_shapes(result, batch)
    trains = isinstance(step, steps.Train)
    print(f"{name}: {_describe(result)}")
    if trains:
        frozen = _frozen(result.config, step.freeze)
        attended = _PREFIX + _BODY
        memory = training_memory(result.config, frozen, _PREFIX + batch * _BODY, attended, step.recompute)
        parts = ", ".join(f"{key} {_size(value)}" for key, value in memory.items())
        print(f"  training at batch {batch}: about {_size(sum(memory.values()))} ({parts})")
        tokens = step.steps * (_PREFIX + batch * _BODY)
        flop = 6 * tokens * (result.config.parameters()["layers"])
        print(f"  {step.steps} steps: about {flop:.1e} floating-point operations in matrix products")
    return result if step.MODEL else None


def check_shapes(planned: Planned, batch: int) -> None:
    """A forward pass on the meta device; raises where shapes do not fit."""
    config, scheme = planned
    if scheme is not None:
        widths = {"hidden": config.hidden, "mlp": config.mlp, "heads * head_dim": config.heads * config.head_dim}
        for what, width in widths.items():
            if width % scheme.group:
                raise RecipeError(f"groups of {scheme.group} do not divide {what}, which is {width}")
    model = _on_meta(config)
    model.set_scheme(scheme)
    meta = torch.device("meta")
    rows = torch.zeros(batch * _ANSWER, dtype=torch.long, device=meta)
    tokens = Batch(torch.zeros(_PREFIX, dtype=torch.long, device=meta),
                   torch.zeros(batch, _BODY, dtype=torch.long, device=meta), rows)
    with torch.no_grad():
        logits, _ = model(tokens, torch.zeros(_LABELS, dtype=torch.long, device=meta))
    if tuple(logits.shape) != (batch * _ANSWER, _LABELS):
        raise RecipeError(f"{_LABELS} logits a row are expected, found {list(logits.shape)}")


def _on_meta(config: ModelConfig) -> Guard:
    """A model without storage. A thin one would not do: shapes are the point."""
    with _MetaParameters():
        return Guard(config)


class _MetaParameters:
    """Parameters that modules create get no storage; torch 2 has torch.device(...) as a context for this."""

    def __enter__(self) -> None:
        self._empty, self._ones = torch.empty, torch.ones
        torch.empty = lambda *size, **options: self._empty(*size, **{**options, "device": "meta"})
        torch.ones = lambda *size, **options: self._ones(*size, **{**options, "device": "meta"})

    def __exit__(self, *_error) -> None:
        torch.empty, torch.ones = self._empty, self._ones


def _source(step: Step, planned: Dict[str, Planned], geometries: Dict[str, Any]) -> Optional[Planned]:
    fields = getattr(step, "geometry", None)
    if fields:
        return Planned(geometry(fields), None)
    name = getattr(step, "model", None)
    if not name:
        return None
    if name in planned:
        return planned[name]
    if name in geometries and not Path(name).exists():
        return Planned(geometry(geometries[name]), None)
    return Planned(read_config(Path(name)), None)


def _result(step: Step, source: Planned) -> Planned:
    config, scheme = source
    if isinstance(step, steps_prune.PruneBlocks):
        return Planned(config.with_(layers=step.keep), scheme)
    if isinstance(step, steps_prune.Deepen):
        return Planned(config.with_(layers=step.layers), scheme)
    if isinstance(step, steps_prune.PruneNeurons):
        return Planned(config.with_(mlp=step.width(config.mlp)), scheme)
    if isinstance(step, steps_prune.PruneHead):
        return Planned(config.with_(tied=False, head_ids=list(range(_LABELS))), scheme)
    if getattr(step, "group", None):
        return Planned(config, steps.scheme_of(step.group))
    return source


def _frozen(config: ModelConfig, freeze) -> int:
    parts = {"embedding": "model.embed_tokens.weight", "head": "lm_head.weight"}
    counts = config.parameters()
    return sum(counts[part] for part, name in parts.items() if name.startswith(tuple(freeze)) and freeze)


def _describe(planned: Planned) -> str:
    config, scheme = planned
    size = stored_bytes(config, scheme)
    kind = "bf16" if scheme is None else f"INT4 in groups of {scheme.group}"
    total = sum(config.parameters().values())
    return f"{config.layers} layers, MLP {config.mlp}, head {config.head_rows} rows: {total:,} parameters, {_size(size)} in {kind}"


def _size(size: float) -> str:
    return f"{size / 2 ** 30:.2f} GiB" if size >= 2 ** 30 else f"{size / 2 ** 20:.1f} MiB"
