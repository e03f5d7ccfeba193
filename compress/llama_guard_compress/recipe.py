# SPDX-License-Identifier: Apache-2.0
"""Recipes: a list of steps in YAML, each with a folder of its own. What is done is not done again."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any, Dict, List, Optional, Type

import yaml

from .checkpoint import read_json, write_json
from .distributed import World
from .errors import RecipeError
from .progress import say
from .steps import Step

_DONE, _BEGUN = "done.json", "begun.json"


@dataclass
class Recipe:
    """The steps by name, in order. Paths in them are absolute but for those that name an earlier step."""
    name: str
    steps: Dict[str, Step]
    geometries: Dict[str, Dict[str, Any]]  # of inputs, for a dry run without them


def read_recipe(path: Path, kinds: Dict[str, Type[Step]], given: Dict[str, Any]) -> Recipe:
    """Reads and checks a recipe; `given` replaces its inputs."""
    from .cli import build_step

    try:
        text = Path(path).read_text("utf-8")
        inputs = {**(yaml.safe_load(text).get("inputs") or {})}
        unknown = set(given) - set(inputs)
        if unknown:
            raise RecipeError(f"{path} has no input {sorted(unknown)[0]}; it has {', '.join(inputs) or 'none'}")
        inputs.update(given)
        data = yaml.safe_load(Template(text).substitute({k: json.dumps(v) for k, v in inputs.items()}))
        entries = data["steps"]
    except (OSError, yaml.YAMLError, KeyError, ValueError, AttributeError) as error:
        raise RecipeError(f"{path} cannot be read as a recipe: {error!r}") from error
    found: Dict[str, Step] = {}
    for entry in entries:
        options = dict(entry)
        kind, name = options.pop("step", None), options.pop("name", None)
        if kind not in kinds or not name or name in found:
            raise RecipeError(f"{path}: each step needs a name of its own and a kind among {', '.join(kinds)}; found {entry}")
        for key in set(Step.PATHS) & set(options):
            if options[key] and options[key] not in found:
                options[key] = str((path.parent / options[key]).resolve())
        try:
            found[name] = build_step(kinds[kind], options)
        except RecipeError as error:
            raise RecipeError(f"{path}: {name}: {error}") from error
    geometries = {str((path.parent / key).resolve()): value for key, value in (data.get("geometries") or {}).items()}
    return Recipe(path.stem, found, geometries)


def run_recipe(recipe: Recipe, out: Path, world: World, only: Optional[str] = None) -> None:
    """Runs what is not done. A step that was begun with other settings is left alone, with an error."""
    digests: Dict[str, str] = {}
    if only is not None and only not in recipe.steps:
        raise RecipeError(f"There is no step {only}; the recipe has {', '.join(recipe.steps)}")
    for name, step in recipe.steps.items():
        folder = out / name
        digests[name] = _digest(step, digests)
        if not _is_done(folder, digests[name]):
            say(f"== {name}")
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / _BEGUN, {"digest": digests[name]})
            _placed(step, digests, out).run(folder, world)
            write_json(folder / _DONE, {"digest": digests[name], "settings": asdict(step)})
        if name == only:
            break


def _placed(step: Step, digests: Dict[str, str], out: Path) -> Step:
    """The step with folders in place of the names of earlier steps."""
    paths = {key: str(out / getattr(step, key)) for key in step.needs() if getattr(step, key) in digests}
    return type(step)(**{**vars(step), **paths})


def _is_done(folder: Path, digest: str) -> bool:
    for name in (_DONE, _BEGUN):
        path = folder / name
        if not path.exists():
            continue
        if read_json(path).get("digest") != digest:
            raise RecipeError(f"{folder} was made with other settings or from other data: take another --out, or remove it "
                              "and what follows from it")
        if name == _DONE:
            say(f"== {folder.name}: done")
            return True
    return False


def _digest(step: Step, digests: Dict[str, str]) -> str:
    """One hash over the settings, the files and the earlier steps that a step depends on, wherever the files lie."""
    paths = step.needs()
    settings = {key: value for key, value in asdict(step).items() if key not in paths}
    sha = hashlib.sha256(json.dumps([type(step).__name__, settings], sort_keys=True).encode())
    for key in paths:
        value = getattr(step, key)
        path = Path(value)
        if not path.exists() and value not in digests:
            raise RecipeError(f"{key}: {value} does not exist, and no step before has that name")
        sha.update((digests[value] if value in digests else _content(path)).encode())
    return sha.hexdigest()


def _content(path: Path) -> str:
    """One hash over a file, or over what tells a folder from another: texts and settings, and the size of the rest."""
    sha = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file()):
        small = path.is_file() or file.suffix in (".json", ".txt")
        sha.update(file.read_bytes() if small else f"{file.name} {file.stat().st_size}".encode())
    return sha.hexdigest()
