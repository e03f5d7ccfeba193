# SPDX-License-Identifier: Apache-2.0
"""The steps of the command line and of recipes. A step is a dataclass: its fields are its options."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Tuple

from .batches import Builder
from .checkpoint import load_model, load_tokenizer, read_json, save_model, write_json
from .config import ModelConfig
from .data import Conversation, read_conversations, split_off
from .distill import TeacherLogits, record
from .distributed import World
from .errors import RecipeError
from .model import Guard, initialize
from .progress import say
from .quantize import GROUPS, Scheme
from .synonyms import read_synonyms
from .training import Learning, Trainer
from .vocabulary import learn_tokenizer
from .warm_start import warm_start

STYLE = "llama-guard-3-1b"


@dataclass
class Step:
    """What all steps have."""
    PATHS: ClassVar[Tuple[str, ...]] = ("model", "data", "tokenizer", "teacher", "importance", "train", "synonyms")
    MODEL: ClassVar[bool] = False  # the result is a model

    def run(self, out: Path, world: World) -> None:
        """Does the step; its result is in the folder `out`."""
        raise NotImplementedError

    def needs(self) -> List[str]:
        """Names of the paths that this step reads."""
        return [name for name in self.PATHS if getattr(self, name, None)]


def require(step: Step, *names: str) -> None:
    for name in names:
        if not getattr(step, name):
            raise RecipeError(f"{command_name(type(step))} needs the option {name}")


def command_name(kind: type) -> str:
    """PruneBlocks -> prune-blocks."""
    letters = "".join(f"-{c.lower()}" if c.isupper() else c for c in kind.__name__)
    return letters.lstrip("-")


def open_model(folder: str, world: World) -> Tuple[Guard, Any]:
    """Model and tokenizer of a folder."""
    model = load_model(Path(folder), world.device)
    return model, load_tokenizer(Path(folder), model.config)


def training_part(path: str, validation: float) -> Tuple[List[Conversation], List[Conversation]]:
    """What training sees of a file, and what it leaves out to measure itself with."""
    return split_off(read_conversations(Path(path)), validation)


@dataclass
class Vocabulary(Step):
    """Learns a tokenizer from the training part of a file, with the splitting of another tokenizer."""
    tokenizer: str = ""  # a folder with the tokenizer.json whose splitting is taken
    data: str = ""
    validation: float = 0.05
    size: int = 16384  # tokens, control tokens included

    def run(self, out: Path, world: World) -> None:
        require(self, "tokenizer", "data")
        base = read_json(Path(self.tokenizer) / "tokenizer.json")
        if world.leads:
            out.mkdir(parents=True, exist_ok=True)
            write_json(out / "tokenizer.json", learn_tokenizer(base, training_part(self.data, self.validation)[0], self.size))
        world.wait()


@dataclass
class Train(Step, Learning):
    """Trains a new model (with a geometry and a tokenizer) or goes on with one; float unless a group is given."""
    MODEL: ClassVar[bool] = True
    model: Optional[str] = None
    geometry: Optional[Dict[str, Any]] = None
    tokenizer: Optional[str] = None
    data: str = ""
    validation: float = 0.05
    group: Optional[int] = None  # weights that share a scale: quantization-aware
    bag: int = 0  # epochs of the classifier whose vectors a new model's embedding begins with
    synonyms: Optional[str] = None  # a folder with files synonyms-<lang>.txt
    teacher: Optional[str] = None  # a model's folder, or that of a `record` step

    def run(self, out: Path, world: World) -> None:
        require(self, "data")
        data, validation = training_part(self.data, self.validation)
        synonyms = read_synonyms(Path(self.synonyms)) if self.synonyms else {}
        say(f"{out.name}: {len(data)} conversations, {len(validation)} left out; synonyms: {', '.join(synonyms) or 'none'}")
        teacher = self._teacher_logits(out, data, world)
        model, tokenizer, folder = self._start(world, data)
        if self.group is not None:
            model.set_scheme(scheme_of(self.group))
        trainer = Trainer(out.name, model, tokenizer, data, validation, self.learning(), out, world, teacher,
                          synonyms)
        state = trainer.run()
        if world.leads:
            save_model(out, model, folder, state)
        world.wait()
        trainer.forget()

    def learning(self) -> Learning:
        return Learning(**{name: getattr(self, name) for name in Learning.__dataclass_fields__})

    def _start(self, world: World, data: List[Conversation]) -> Tuple[Guard, Any, Path]:
        if self.model:
            model, tokenizer = open_model(self.model, world)
            return model, tokenizer, Path(self.model)
        if not self.geometry or not self.tokenizer:
            raise RecipeError("train needs a model to go on with, or a geometry and a tokenizer for a new one")
        config = geometry(self.geometry)
        tokenizer = load_tokenizer(Path(self.tokenizer), config)
        model = Guard(config)
        initialize(model, self.seed)
        if self.bag > 0:
            warm_start(model, tokenizer, data, self.bag, self.dropout, self.seed)
        return model, tokenizer, Path(self.tokenizer)

    def _teacher_logits(self, out: Path, data: List[Conversation], world: World) -> Optional[TeacherLogits]:
        if not self.teacher:
            return None
        folder = Path(self.teacher)
        if not (folder / "teacher.json").exists():
            folder = out / "teacher"
            if world.leads and not (folder / "teacher.json").exists():
                model, tokenizer = open_model(self.teacher, world)
                record(model, Builder(tokenizer, STYLE, lead=self.lead), data, folder)
            world.wait()
        return TeacherLogits(folder, data)


@dataclass
class Qat(Train):
    """Quantization-aware training on the labels."""
    group: Optional[int] = 32

    def run(self, out: Path, world: World) -> None:
        require(self, "model", "group")
        super().run(out, world)


@dataclass
class Distill(Train):
    """Training on a teacher's logits and the labels; quantization-aware with a group."""
    teach: float = 0.7

    def run(self, out: Path, world: World) -> None:
        require(self, "model", "teacher")
        super().run(out, world)


@dataclass
class Record(Step):
    """Keeps a teacher's logits of the training part of a file."""
    model: str = ""
    data: str = ""
    validation: float = 0.05
    style: str = STYLE  # llama-guard-3-8b for that teacher's own prompt
    lead: bool = True

    def run(self, out: Path, world: World) -> None:
        require(self, "model", "data")
        model, tokenizer = open_model(self.model, world)
        record(model, Builder(tokenizer, self.style, lead=self.lead), training_part(self.data, self.validation)[0], out)


@dataclass
class Round(Step):
    """Rounds to nearest: attaches a group to a float model, without training."""
    MODEL: ClassVar[bool] = True
    model: str = ""
    group: int = 32

    def run(self, out: Path, world: World) -> None:
        require(self, "model")
        model, _ = open_model(self.model, world)
        model.set_scheme(scheme_of(self.group))
        save_model(out, model, Path(self.model))


def scheme_of(group: int) -> Scheme:
    if group not in GROUPS:
        raise RecipeError(f"group must be one of {', '.join(map(str, GROUPS))}, found {group}")
    return Scheme(group)


def geometry(fields: Dict[str, Any]) -> ModelConfig:
    """A config from a recipe."""
    try:
        return ModelConfig(**fields)
    except TypeError as error:
        raise RecipeError(f"geometry: {error}") from error


def write_result(out: Path, name: str, value: Dict) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / name, value)
