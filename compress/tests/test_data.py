# SPDX-License-Identifier: Apache-2.0
"""Wrong inputs get an error that names the place and never the text."""

import json
import random

import pytest
import torch

from conftest import ROOT, TOKENIZER
from llama_guard_compress.checkpoint import load_model, load_tokenizer, save_model
from llama_guard_compress.data import read_conversations, refuse_overlap, split_off
from llama_guard_compress.errors import CheckpointError, DataError, TokenizerError
from llama_guard_compress.synonyms import Synonyms
from llama_guard_compress.safetensors import TensorFile, write_tensors

GOOD = {"lang": "en", "messages": [{"role": "user", "content": "secret words"}], "label": "safe", "categories": []}


@pytest.mark.parametrize("change", [
    {"label": None}, {"label": "maybe"}, {"label": "unsafe"}, {"categories": ["S1"]}, {"categories": ["S14"], "label": "unsafe"},
    {"messages": []}, {"messages": None}, {"messages": [{"role": "assistant", "content": "secret words"}]},
    {"messages": [{"role": "user", "content": "  "}]}, {"messages": ["secret words"]},
])
def test_a_line_that_cannot_be_learned_from_is_named(tmp_path, change):
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps({**GOOD, **change}) + "\n")
    with pytest.raises(DataError) as caught:
        read_conversations(path)
    assert "train.jsonl:2" in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]\n", "\xff"])
def test_files_without_conversations_are_refused(tmp_path, text):
    path = tmp_path / "train.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError):
        read_conversations(path)


def test_held_out_conversations_must_not_be_in_the_training_data(conversations, tmp_path):
    refuse_overlap(conversations[:3], conversations[3:], tmp_path)
    with pytest.raises(DataError):
        refuse_overlap(conversations[:4], conversations[3:], tmp_path)


@pytest.mark.parametrize("heldout", ["heldout.jsonl", "heldout-2.jsonl"])
def test_the_corpus_has_no_held_out_conversation(heldout):
    corpus = ROOT / "compress" / "corpus"
    refuse_overlap(read_conversations(corpus / "train.jsonl"), read_conversations(corpus / heldout), corpus)


def test_a_longer_file_keeps_what_training_leaves_out(conversations):
    train, out = split_off(conversations, 0.5)
    more_train, more_out = split_off([*conversations, conversations[0]._replace(texts=("Something else",))], 0.5)
    assert set(train) <= set(more_train) and set(out) <= set(more_out)
    assert sorted(map(str, train + out)) == sorted(map(str, conversations))


def test_tensors_are_stored_exactly_in_all_types(tmp_path):
    tensors = [(str(dtype), torch.arange(6).to(dtype).view(2, 3)) for dtype in
               (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int8)]
    write_tensors(tmp_path / "t.safetensors", [*tensors, ("none", torch.empty(0))])
    file = TensorFile(tmp_path / "t.safetensors")
    assert file.names() == [name for name, _ in tensors] + ["none"]
    for name, tensor in tensors:
        assert torch.equal(file.read(name), tensor) and file.read(name).dtype == tensor.dtype


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    path = tmp_path / "t.safetensors"
    write_tensors(path, [("a", torch.ones(100))])
    whole = path.read_bytes()
    for length in (0, 5, 20, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            TensorFile(path)


def test_a_checkpoint_comes_back_as_it_was(model, folder):
    again = load_model(folder)
    assert again.config == model.config
    for (name, a), (_, b) in zip(model.named_parameters(), again.named_parameters()):
        assert torch.equal(a, b), name


def test_shards_are_read_by_their_index(model, folder):
    file = TensorFile(folder / "model.safetensors")
    names = file.names()
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for part, chosen in parts.items():
        write_tensors(folder / part, [(name, file.read(name).to(torch.bfloat16)) for name in chosen])
    index = {"weight_map": {name: part for part, chosen in parts.items() for name in chosen}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    for (name, a), (_, b) in zip(model.named_parameters(), load_model(folder).named_parameters()):
        assert torch.equal(a.to(torch.bfloat16).float(), b), name


def test_missing_misshapen_and_infinite_tensors_are_named(model, folder):
    file = TensorFile(folder / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    tensors = {key: file.read(key) for key in file.names()}
    infinite = tensors[name].clone()
    infinite[0, 0] = float("inf")
    for broken in (None, tensors[name][:5], infinite):
        changed = {**tensors, name: broken} if broken is not None else {k: v for k, v in tensors.items() if k != name}
        write_tensors(folder / "model.safetensors", changed.items())
        with pytest.raises(CheckpointError, match=name):
            load_model(folder)


def test_the_tokenizer_of_another_model_is_refused(model):
    with pytest.raises(TokenizerError, match="another model"):
        load_tokenizer(TOKENIZER, model.config.with_(vocab=4000))


@pytest.mark.parametrize("text", ["", "{}", '{"model_type": "gpt2"}'])
def test_configs_that_are_none_are_refused(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match="config.json"):
        load_model(folder)


def test_an_interrupted_save_leaves_no_checkpoint(model, tmp_path, monkeypatch):
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError):
        save_model(tmp_path / "new", model, TOKENIZER)
    assert not (tmp_path / "new" / "config.json").exists()


def test_synonyms_keep_the_form_of_verbs_and_nouns_and_the_capital():
    words = Synonyms(["v: stab | shoot/shoots/shot/shot/shooting dead", "n: city | town", "r: kill time | wait"])
    rng = random.Random(1)
    for text, expected in (("He stabbed two cities.", "He shot dead two towns."), ("Stabbing towns", "Shooting dead cities"),
                           ("We KILL TIME, always", "We WAIT, always"), ("Nothing here", "Nothing here")):
        assert words.replace(text, 1.0, rng) == expected
        assert words.replace(text, 0.0, rng) == text


def test_synonyms_that_are_none_are_named():
    with pytest.raises(DataError, match="synonyms:2"):
        Synonyms(["a: big | large", "a: small"])
