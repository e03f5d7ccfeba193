# SPDX-License-Identifier: Apache-2.0
"""The training loop of all steps that learn: the teacher, quantization-aware training and distillation."""

import math
import os
import pickle
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import torch
import torch.nn.functional as F

from .augment import crossed
from .batches import Builder, Schooling, Targets, Variation, Weights, varied
from .data import Conversation
from .distill import TeacherLogits, distance
from .distributed import World, full_state, precision, shard
from .errors import CheckpointError
from .evaluate import judge, to_device
from .losses import guess_loss, taught_verdicts, verdict_rows
from .metrics import auc
from .model import Guard
from .ngrams import NgramTeacher
from .progress import Progress, say
from .synonyms import Synonyms
from .tokenizer import Tokenizer


@dataclass
class Learning:
    """Settings of a training run."""
    steps: int = 1000
    batch: int = 32
    rate: float = 1e-3  # highest learning rate
    warmup: int = 50  # steps up to it
    floor: float = 0.05  # share of `rate` that the cosine ends at
    decay: float = 0.1  # weight decay of matrices
    clip: float = 1.0
    average: float = 0.998  # of the weights over steps; 0 takes the last ones
    short: float = 0.0  # leading share of the steps that sees the short prompt
    lead: bool = True  # the answer begins with "\n\n", as that of the 1B model does
    smoothing: float = 0.05  # of the labels
    blanks: float = 0.15  # share of tokens that are blanked out
    vary: float = 0.2  # probability of each kind of change to case, punctuation, spelling
    replace: float = 0.15  # probability that a phrase is replaced by a synonym, where there is a file of them
    dropout: float = 0.1  # of the tokenizer's merges
    text_loss: float = 0.0  # weight of the loss of guessing the conversation's next token
    guesses: float = 0.0  # weight of the loss of guessing the verdict at each token of the judged message
    ngrams: float = 0.0  # share of an n-gram teacher's P(unsafe) in the loss of the verdict
    crossed: float = 0.0  # share of the steps on texts crossed from two, which the n-gram teacher alone labels
    weights: List[float] = field(default_factory=lambda: list(Weights()))
    teach: float = 0.0  # share of the teacher's logits in the loss, the rest being the labels
    temperature: float = 2.0
    freeze: List[str] = field(default_factory=list)  # beginnings of names of weights that stay
    bf16: bool = False
    recompute: bool = False
    seed: int = 1
    save_every: float = 120.0  # seconds between saved states
    validate_every: int = 250  # steps


class Trainer:
    """One run. What is saved in `folder` lets a run that was killed go on with the step after the last saved one."""

    def __init__(self, name: str, model: Guard, tokenizer: Tokenizer, data: Sequence[Conversation],
                 validation: Sequence[Conversation], settings: Learning, folder: Path, world: World,
                 teacher: Optional[TeacherLogits] = None, synonyms: Optional[Dict[str, Synonyms]] = None) -> None:
        self._name, self._settings, self._world, self._teacher = name, settings, world, teacher
        self._synonyms = synonyms or {}
        self._variation = Variation(settings.vary, settings.replace, settings.dropout)
        self._data, self._validation = data, validation
        self._state_path = Path(folder) / f"state-{world.rank}.pt"
        weights = Weights(*settings.weights)
        self._builders = {style: Builder(tokenizer, style, weights, settings.lead)
                          for style in ("short", "llama-guard-3-1b")}
        for parameter_name, parameter in model.named_parameters():
            parameter.requires_grad = not parameter_name.startswith(tuple(settings.freeze))
        model.recompute = settings.recompute
        self._model = model.to(world.device)
        shard(self._model, world, settings.bf16)
        self._named = {n: p for n, p in self._model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(
            [{"params": [p for n, p in self._named.items() if "norm" not in n], "weight_decay": settings.decay},
             {"params": [p for n, p in self._named.items() if "norm" in n], "weight_decay": 0.0}],
            lr=settings.rate, betas=(0.9, 0.98))
        self._ngrams = NgramTeacher(data) if settings.ngrams > 0 else None
        self._average: Dict[str, torch.Tensor] = {}
        self._ids = torch.tensor(self._builders["short"].labels.ids, device=world.device)

    def run(self) -> Dict[str, torch.Tensor]:
        """Trains to the end. Returns the averaged weights by name."""
        settings = self._settings
        start = self._resume()
        schooling = Schooling(self._data, settings.batch, settings.seed)
        progress = Progress(self._name, settings.steps, start)
        saved = time.monotonic()
        self._model.train()
        for step in range(start, settings.steps):
            rows = self._world.share(schooling.indices(step))
            loss = self._step(step, rows)
            if not math.isfinite(loss):
                raise CheckpointError(f"{self._name}: the loss of step {step + 1} is not finite; lower `rate`")
            if self._world.leads:
                progress.step(step + 1, len(rows) * self._world.size, loss)
            last = step + 1 == settings.steps
            if last or time.monotonic() - saved >= settings.save_every:
                self._save(step + 1)
                saved = time.monotonic()
            if self._validation and self._world.size == 1 and ((step + 1) % settings.validate_every == 0 or last):
                self._validate(step)
        self._take_average()
        return full_state(self._model)

    def forget(self) -> None:
        """Removes the saved state, once the result is stored."""
        self._state_path.unlink(missing_ok=True)

    def _style(self, step: int) -> str:
        return "short" if step < self._settings.short * self._settings.steps else "llama-guard-3-1b"

    def _step(self, step: int, rows: List[int]) -> float:
        """One step of the optimizer. Randomness depends on seed and step alone."""
        settings, builder = self._settings, self._builders[self._style(step)]
        rng = random.Random(f"{settings.seed}/step/{step}/{self._world.rank}")
        generator = torch.Generator().manual_seed(rng.getrandbits(48))
        chosen = [self._data[i] for i in rows]
        crossing = self._ngrams is not None and rng.random() < settings.crossed
        if crossing:
            chosen = [self._crossed(conversation, rng) for conversation in chosen]
        lessons = self._lessons(chosen, rng.randrange(self._ngrams.folds) if crossing else None) if self._ngrams else None
        items = varied(builder, chosen, self._variation, self._synonyms, rng)
        batch, targets = builder.collate(items, chosen[0].role, settings.blanks, settings.text_loss > 0, generator,
                                         settings.guesses > 0 and not crossing)
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate(step)
        with precision(self._world, settings.bf16):
            logits, text = self._model(to_device(batch, self._world.device), self._ids)
            if crossing:
                loss = self._verdict_loss(logits, targets, lessons).mean()
            else:
                loss = self._loss(logits, text, targets, rows, lessons)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), settings.clip)
        self._optimizer.step()
        self._update_average(step)
        return float(loss.detach())

    def _crossed(self, conversation: Conversation, rng: random.Random) -> Conversation:
        """The conversation with another end of its judged message, out of another conversation."""
        other = self._data[rng.randrange(len(self._data))]
        return conversation._replace(texts=(*conversation.texts[:-1], crossed(conversation.texts[-1], other.texts[-1], rng)))

    def _lessons(self, conversations: Sequence[Conversation], fold: Optional[int]) -> List[float]:
        """P(unsafe) by the n-gram teacher's regression of a fold, or by the one that has not seen the conversation."""
        folds = [self._ngrams.fold(item) if fold is None else fold for item in conversations]
        return self._ngrams.judge([item.texts[-1] for item in conversations], folds)

    def _verdict_loss(self, logits: torch.Tensor, targets: Targets, lessons: List[float]) -> torch.Tensor:
        labels = self._builders["short"].labels
        return taught_verdicts(logits[verdict_rows(targets, self._settings.lead)], lessons, labels)

    def _loss(self, logits: torch.Tensor, text: Optional[torch.Tensor], targets: Targets, rows: List[int],
              lessons: Optional[List[float]]) -> torch.Tensor:
        settings, device = self._settings, logits.device
        logits, guessed = logits.split([len(targets.labels), len(logits) - len(targets.labels)])
        per_row = F.cross_entropy(logits, targets.labels.to(device), reduction="none", label_smoothing=settings.smoothing)
        if self._teacher is not None and settings.teach > 0:
            taught = distance(logits, self._teacher.of(rows).to(device), settings.temperature)
            per_row = (1 - settings.teach) * per_row + settings.teach * taught
        if lessons is not None:
            verdicts = verdict_rows(targets, settings.lead)
            taught = settings.ngrams * self._verdict_loss(logits, targets, lessons)
            per_row = per_row.index_copy(0, verdicts, (1 - settings.ngrams) * per_row[verdicts] + taught)
        weights = targets.weights.to(device)
        loss = (per_row * weights).sum() / weights.sum()
        if targets.guesses is not None:
            labels = self._builders["short"].labels
            loss = loss + settings.guesses * guess_loss(guessed, targets.guesses, labels, len(rows), settings.smoothing)
        if text is not None:
            loss = loss + settings.text_loss * F.cross_entropy(text, targets.text.to(device))
        return loss

    def _rate(self, step: int) -> float:
        settings = self._settings
        if step < settings.warmup:
            return settings.rate * (step + 1) / settings.warmup
        done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
        return settings.rate * (settings.floor + (1 - settings.floor) * (1 + math.cos(math.pi * done)) / 2)

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        if self._settings.average == 0:
            return
        weight = 1 - min(self._settings.average, (1 + step) / (10 + step))
        for name, parameter in self._named.items():
            if name in self._average:
                self._average[name].lerp_(parameter, weight)
            else:
                self._average[name] = parameter.detach().clone()

    @torch.no_grad()
    def _take_average(self) -> None:
        for name, value in self._average.items():
            self._named[name].copy_(value)

    def _validate(self, step: int) -> None:
        """Says how the averaged weights do on conversations that training leaves out."""
        mine = {name: parameter.detach().clone() for name, parameter in self._named.items()}
        self._take_average()
        scores = judge(self._model, self._builders[self._style(step)], self._validation).scores
        with torch.no_grad():
            for name, value in mine.items():
                self._named[name].copy_(value)
        unsafe = torch.tensor([item.unsafe for item in self._validation]).numpy()
        say(f"{self._name}: step {step + 1}, AUC {auc(scores, unsafe):.4f} on {len(scores)} conversations left out")

    def _save(self, step: int) -> None:
        state = {"step": step, "settings": vars(self._settings), "model": self._local_state(),
                 "optimizer": self._optimizer.state_dict(), "average": self._average}
        self._state_path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._state_path.with_suffix(".partial")
        torch.save(state, partial)
        self._world.wait()  # so that all processes have this step's state, or all the one before
        os.replace(partial, self._state_path)

    def _local_state(self) -> Dict[str, torch.Tensor]:
        """The weights that this process holds: all, or its shards."""
        return {name: parameter.detach() for name, parameter in self._named.items()}

    def _resume(self) -> int:
        """Takes up a saved state; the first step to do."""
        step = self._load() if self._state_path.exists() else 0
        if not self._world.agrees(step):
            raise CheckpointError(f"{self._state_path.parent} holds states of different steps: remove them to start anew")
        if step > 0:
            say(f"{self._name}: goes on after step {step}")
        return step

    def _load(self) -> int:
        """Reads the saved state; the steps that it has behind it."""
        try:
            state = torch.load(self._state_path, map_location=self._world.device)
            if state["settings"] != vars(self._settings):
                raise CheckpointError(f"{self._state_path} was saved by a run with other settings: remove it to start anew")
            with torch.no_grad():
                for name, value in state["model"].items():
                    self._named[name].copy_(value)
            self._optimizer.load_state_dict(state["optimizer"])
            self._average = state["average"]
        except (OSError, RuntimeError, KeyError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise CheckpointError(f"{self._state_path} is damaged ({error}): remove it to start anew") from error
        return state["step"]
