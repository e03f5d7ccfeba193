# SPDX-License-Identifier: Apache-2.0
"""The command line: one command for each step, and `run` for a recipe."""

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import Dict, List, Optional, Type

import yaml

from . import steps, steps_measure, steps_prune
from .distributed import World, join_world
from .dry_run import plan_recipe, plan_step
from .errors import CompressError, RecipeError
from .recipe import read_recipe, run_recipe
from .report import write_report
from .steps import Step, command_name

STEPS: Dict[str, Type[Step]] = {
    command_name(kind): kind for kind in (
        steps.Vocabulary, steps.Train, steps_prune.Deepen, steps_prune.Calibrate, steps_prune.PruneBlocks, steps_prune.PruneNeurons, steps.Qat, steps.Distill,
        steps_prune.PruneHead, steps_prune.Export, steps_measure.Evaluate, steps_measure.Baselines, steps.Record,
        steps.Round, steps_prune.RandomBlocks)
}


def main(argv: Optional[List[str]] = None) -> int:
    """Runs a command; 0, or 1 with one line of explanation."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.action(arguments)
    except CompressError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last saved state", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m llama_guard_compress", description="Compresses a guard model.")
    commands = parser.add_subparsers(required=True, metavar="STEP")
    run = commands.add_parser("run", help="all steps of a recipe, going on where it was interrupted")
    run.add_argument("recipe", type=Path)
    run.add_argument("--out", type=Path, required=True, help="folder for the results of the steps")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an input of the recipe")
    run.add_argument("--only", help="stop after the step of this name")
    _common(run)
    run.set_defaults(action=_run_recipe)
    report = commands.add_parser("report", help="results of one or more runs (seeds) as JSON, a table and a plot")
    report.add_argument("runs", type=Path, nargs="+")
    report.add_argument("--out", type=Path, required=True)
    report.add_argument("--native", type=Path, help="figures by tools/heldout-report.mjs --json")
    report.add_argument("--page", type=Path, help="a Markdown page that the table goes into, between its marks")
    report.add_argument("--name", default="demo", help="name in the marks of the page")
    report.set_defaults(action=lambda a: write_report(a.runs, a.out, a.native, a.page, a.name))
    for name, kind in STEPS.items():
        command = commands.add_parser(name, help=kind.__doc__.split("\n")[0], description=kind.__doc__)
        command.add_argument("--out", type=Path, required=True, help="folder for the result")
        for field in dataclasses.fields(kind):
            command.add_argument(f"--{field.name.replace('_', '-')}", dest=field.name, metavar="VALUE",
                                 help=f"default: {_default(field)}")
        _common(command)
        command.set_defaults(action=_run_step, kind=kind)
    return parser


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    command.add_argument("--dry-run", action="store_true", help="check shapes and estimate memory, without any weights")


def _default(field: dataclasses.Field):
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _run_step(arguments: argparse.Namespace) -> None:
    names = [field.name for field in dataclasses.fields(arguments.kind)]
    given = {name: yaml.safe_load(getattr(arguments, name)) for name in names if getattr(arguments, name) is not None}
    step = build_step(arguments.kind, given)
    if arguments.dry_run:
        plan_step(step, arguments.out.name)
    else:
        step.run(arguments.out, _world(arguments, isinstance(step, steps.Train)))


def _world(arguments: argparse.Namespace, trains: bool) -> World:
    world = join_world(arguments.threads)
    if world.size > 1 and not trains:
        raise RecipeError("torchrun is for train, qat and distill alone: run the other steps in one process")
    return world


def _run_recipe(arguments: argparse.Namespace) -> None:
    given = {}
    for pair in arguments.set:
        name, equals, value = pair.partition("=")
        if not equals:
            raise RecipeError(f"--set takes NAME=VALUE, found {pair}")
        # Paths in a recipe are relative to it, those on the command line to where one stands.
        given[name] = str(Path(value).resolve()) if "/" in value or Path(value).exists() else yaml.safe_load(value)
    recipe = read_recipe(arguments.recipe, STEPS, given)
    if arguments.dry_run:
        plan_recipe(recipe, arguments.out)
    else:
        run_recipe(recipe, arguments.out, _world(arguments, False), arguments.only)


def _number(name: str, text: str) -> float:
    """YAML takes 1e-3 for a text."""
    try:
        return float(text)
    except ValueError:
        raise RecipeError(f"{name} must be a number, found {text!r}") from None


def build_step(kind: Type[Step], given: Dict) -> Step:
    """A step from its options, each of the type of its default."""
    known = {field.name: field for field in dataclasses.fields(kind)}
    given = dict(given)
    for name, value in given.items():
        if name not in known:
            raise RecipeError(f"{command_name(kind)} has no option {name}; it has {', '.join(known)}")
        default = _default(known[name])
        if isinstance(default, float) and isinstance(value, str):
            value = given[name] = _number(name, value)
        wanted = (int, float) if isinstance(default, float) else (type(default),)
        if default is not None and (not isinstance(value, wanted) or isinstance(value, bool) != isinstance(default, bool)):
            raise RecipeError(f"{command_name(kind)}: {name} must be of the type {type(default).__name__}, found {value!r}")
    return kind(**given)
