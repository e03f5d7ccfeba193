# SPDX-License-Identifier: Apache-2.0
"""Training that learns and resumes to the same weights, steps alone and in recipes, and their errors."""

import json
import math

import numpy as np
import pytest
import torch

from conftest import GEOMETRY, ROOT, TOKENIZER
from llama_guard_compress import cli
from llama_guard_compress.checkpoint import load_model
from llama_guard_compress.distill import distance
from llama_guard_compress.distributed import World
from llama_guard_compress.metrics import auc, f1, false_positive_rate, quality
from llama_guard_compress.steps import Train
from llama_guard_compress.training import Trainer

WORLD = World(0, 1, torch.device("cpu"))


@pytest.fixture
def data(tmp_path):
    """Twenty conversations that one word decides."""
    path = tmp_path / "train.jsonl"
    lines = [{"lang": "en", "messages": [{"role": "user", "content": f"{word} number {i}"}], "label": label, "categories": codes}
             for i in range(10) for word, label, codes in (("bread", "safe", []), ("poison", "unsafe", ["S1"]))]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def training(data, **options):
    return Train(geometry=GEOMETRY, tokenizer=str(TOKENIZER), data=str(data), validation=0.0, batch=8, warmup=2, short=0.8,
                 **{"steps": 6, "text_loss": 0.1, "vary": 0.2, **options})


def weights(folder):
    return dict(load_model(folder).named_parameters())


def test_training_learns_what_can_be_learned(data, tmp_path, capsys):
    training(data, steps=60, rate=3e-3, blanks=0.0, average=0.9).run(tmp_path / "model", WORLD)
    assert cli.main(["evaluate", "--model", str(tmp_path / "model"), "--data", str(data), "--out", str(tmp_path / "found")]) == 0
    found = json.loads((tmp_path / "found" / "evaluation.json").read_text())
    assert found["groups"]["all"]["auc"] == 1.0
    assert "examples/s" in capsys.readouterr().err


@pytest.mark.parametrize("more", [{}, {"bag": 1, "guesses": 0.5, "ngrams": 0.5, "crossed": 0.5}], ids=["plain", "with lessons"])
def test_a_run_that_was_killed_goes_on_to_the_same_weights(data, tmp_path, monkeypatch, more):
    if more:
        pytest.importorskip("sklearn")
    training(data, **more).run(tmp_path / "whole", WORLD)
    step = Trainer._step

    def killed(self, number, rows):
        if number == 4:
            raise KeyboardInterrupt
        return step(self, number, rows)

    monkeypatch.setattr(Trainer, "_step", killed)
    options = {"save_every": 0.0, **more}
    with pytest.raises(KeyboardInterrupt):
        training(data, **options).run(tmp_path / "killed", WORLD)
    assert not (tmp_path / "killed" / "config.json").exists()
    monkeypatch.setattr(Trainer, "_step", step)
    training(data, **options).run(tmp_path / "killed", WORLD)
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not list((tmp_path / "killed").glob("state*"))


def test_damaged_states_and_other_settings_are_refused_and_left_alone(data, tmp_path, monkeypatch):
    (tmp_path / "state-0.pt").write_bytes(b"half a file")
    with pytest.raises(Exception, match="state-0.pt is damaged"):
        training(data).run(tmp_path, WORLD)
    assert (tmp_path / "state-0.pt").read_bytes() == b"half a file"


def test_seeds_decide_the_weights(data, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        training(data, steps=2, seed=seed).run(tmp_path / name, WORLD)
    a, b, c = (weights(tmp_path / name)["model.norm.weight"] for name in "abc")
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_distance_is_zero_for_equal_logits_and_grows_with_the_temperature_squared():
    a, b = torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([[0.0, 2.0, 1.0]])
    assert distance(a, a + 3, 2.0).item() == pytest.approx(0, abs=1e-6)
    p, q = b.softmax(-1), a.softmax(-1)
    assert distance(a, b, 1.0).item() == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-5)


def test_metrics_by_hand():
    scores, unsafe = np.array([0.9, 0.4, 0.6, 0.1, 0.4]), np.array([True, True, False, False, False])
    assert auc(scores, unsafe) == pytest.approx((3 + 1.5) / 6)
    assert f1(scores, unsafe) == pytest.approx(2 / 4)
    assert false_positive_rate(scores, unsafe) == pytest.approx(1 / 3)
    assert math.isnan(auc(scores, np.ones(5, bool)))
    low, high = quality(scores, unsafe)["interval"]["auc"]
    assert low <= auc(scores, unsafe) <= high


RECIPE = """
inputs: {{data: {data}}}
steps:
  - {{name: first, step: train, geometry: {geometry}, tokenizer: {tokenizer}, data: $data, validation: 0.0, steps: 2, batch: 4}}
  - {{name: importance, step: calibrate, model: first, data: $data, validation: 0.0, batches: 2, batch: 4}}
  - {{name: blocks, step: prune-blocks, model: first, importance: importance, keep: 2}}
  - {{name: greedy, step: prune-blocks, model: first, by: loss, data: $data, keep: 2}}
  - {{name: lessons, step: record, model: first, data: $data, validation: 0.0}}
  - {{name: student, step: distill, model: blocks, teacher: lessons, data: $data, validation: 0.0, steps: 2, batch: 4, group: 32}}
  - {{name: cut, step: prune-head, model: student}}
  - {{name: cut-heldout, step: evaluate, model: cut, data: $data}}
  - {{name: export, step: export, model: cut, data: $data, proof: 2}}
"""


@pytest.fixture
def recipe(tmp_path, data):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(data=data, tokenizer=TOKENIZER, geometry=json.dumps(GEOMETRY)))
    return path


def test_a_recipe_does_each_step_once(recipe, tmp_path, capsys):
    command = ["run", str(recipe), "--out", str(tmp_path / "out"), "--threads", "1"]
    assert cli.main(command) == 0
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert load_model(tmp_path / "out" / "export").config.head_rows == 20
    assert cli.main(command) == 0
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}


def test_a_report_has_all_runs_the_package_and_a_page(recipe, tmp_path, capsys):
    out, report, page, native = (tmp_path / name for name in ("out", "report", "page.md", "native.json"))
    assert cli.main(["run", str(recipe), "--out", str(out), "--only", "cut-heldout"]) == 0
    page.write_text("before\n<!-- results of mine -->\nold\n<!-- end of results -->\nafter\n")
    command = ["report", str(out), str(out), "--out", str(report), "--page", str(page), "--name", "mine", "--native", str(native)]
    native.write_text(json.dumps({"groups": {"all": {"count": 20, "f1": 0.25, "falsePositiveRate": 0.5, "auc": 0.75}}}))
    assert cli.main(command) == 0
    table = (report / "results.md").read_text()
    assert table.startswith("Runs: 2;") and "| cut-heldout | 2 x 96 |" in table
    assert "| the last, through the package | | | | 0.250 | 0.500 | 0.750 |" in table
    assert (report / "results.svg").read_text().startswith("<svg")
    assert page.read_text() == f"before\n<!-- results of mine -->\n{table}<!-- end of results -->\nafter\n"
    native.write_text(native.read_text().replace("20", "21"))
    assert cli.main(command) == 1
    assert "take the same file for both" in capsys.readouterr().err


def test_a_recipe_with_other_settings_or_data_leaves_earlier_results_alone(recipe, data, tmp_path, capsys):
    command = ["run", str(recipe), "--out", str(tmp_path / "out"), "--only", "first"]
    assert cli.main(command) == 0
    kept = (tmp_path / "out" / "first" / "model.safetensors").read_bytes()
    data.write_text(data.read_text().replace("bread", "cake"))
    assert cli.main(command) == 1
    assert "other settings or from other data" in capsys.readouterr().err
    assert (tmp_path / "out" / "first" / "model.safetensors").read_bytes() == kept


@pytest.mark.parametrize("old, new, message", [
    ("step: calibrate", "step: celebrate", "a kind among"),
    ("name: blocks", "name: first", "a name of its own"),
    ("keep: 2}", "keep: two}", "keep must be of the type int"),
    ("batches: 2", "bunches: 2", "has no option bunches"),
    ("model: student", "model: nowhere", "does not exist"),
    ("group: 32", "group: 48", "group must be one of"),
])
def test_mistakes_in_recipes_are_named(recipe, tmp_path, capsys, old, new, message):
    recipe.write_text(recipe.read_text().replace(old, new))
    assert cli.main(["run", str(recipe), "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err


def test_the_teachers_logits_must_be_those_of_the_data(recipe, data, tmp_path, capsys):
    assert cli.main(["run", str(recipe), "--out", str(tmp_path / "out"), "--only", "lessons"]) == 0
    lines = data.read_text().splitlines(keepends=True)
    (tmp_path / "fewer.jsonl").write_text("".join(lines[:10]))
    out = tmp_path / "out"
    assert cli.main(["distill", "--model", str(out / "blocks"), "--teacher", str(out / "lessons"), "--validation", "0.0",
                     "--data", str(tmp_path / "fewer.jsonl"), "--out", str(tmp_path / "student")]) == 1
    assert "other conversations" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["demo", "smoke", "llama-guard-3-1b"])
def test_a_dry_run_needs_no_weights(name, tmp_path, capsys):
    recipe = ROOT / "compress" / "recipes" / f"{name}.yaml"
    assert cli.main(["run", str(recipe), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "The shapes fit" in printed and not (tmp_path / "out").exists()
    if name == "llama-guard-3-1b":
        assert "12 layers, MLP 6400, head 20 rows: 860,448,768 parameters" in printed
