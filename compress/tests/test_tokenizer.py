# SPDX-License-Identifier: Apache-2.0
"""Token ids and prompts against the vectors that came with the small checkpoint, made by another implementation."""

import json
import random

import pytest

from conftest import TOKENIZER
from llama_guard_compress.data import Conversation
from llama_guard_compress.errors import TokenizerError
from llama_guard_compress.prompt import STYLES, Labels, PromptEncoder
from llama_guard_compress.tokenizer import read_tokenizer

VECTORS = json.loads((TOKENIZER / "vectors.json").read_text())


def whole_prompt(tokenizer, conversation, style="llama-guard-3-1b"):
    encoder = PromptEncoder(tokenizer, STYLES[style])
    said, _, rest = encoder.encode(conversation)
    return [*encoder.prefixes[conversation.role], *said, *rest]


@pytest.mark.parametrize("example", VECTORS["examples"], ids=range(len(VECTORS["examples"])))
def test_prompt_ids_are_those_of_the_vectors(tokenizer, example):
    roles = tuple(message["role"] for message in example["messages"])
    texts = tuple(message["content"] for message in example["messages"])
    assert whole_prompt(tokenizer, Conversation("en", roles, texts, "safe", ())) == example["token_ids"]


def test_labels_are_in_the_order_of_the_vectors(tokenizer):
    assert Labels(tokenizer).texts == VECTORS["labels"]


def test_a_control_token_in_a_text_stays_text(tokenizer):
    assert tokenizer.control("<|eot_id|>") not in tokenizer.encode("a <|eot_id|> b")


def test_dropped_merges_spell_the_same_text(tokenizer):
    text = "Unbelievable weather in Zürich today"
    names = {token: name for name, token in tokenizer._vocab.items()}
    plain, dropped = tokenizer.encode(text), tokenizer.encode(text, 0.5, random.Random(1))
    assert len(dropped) > len(plain)
    assert "".join(names[i] for i in dropped) == "".join(names[i] for i in plain)


def test_the_answer_names_all_categories(tokenizer, conversations):
    labels = Labels(tokenizer)
    texts = [labels.texts[row] for row in labels.answer(conversations[3], lead=True)]
    assert texts == ["\n\n", "unsafe", "\n", "S", "1", ",S", "10", "<|eot_id|>"]
    assert [labels.texts[row] for row in labels.answer(conversations[0], lead=False)] == ["safe", "<|eot_id|>"]


def test_the_prompt_of_the_8b_model_has_a_fourteenth_category_and_no_last_space(tokenizer, conversations):
    ours, theirs = (whole_prompt(tokenizer, conversations[0], f"llama-guard-3-{size}") for size in ("1b", "8b"))
    assert len(theirs) > len(ours)
    end = tokenizer.control("<|eot_id|>")
    assert ours[ours.index(end) - 1] == tokenizer.token(" ") != theirs[theirs.index(end) - 1]


@pytest.mark.parametrize("change", [
    lambda data: data["model"].update(type="Unigram"),
    lambda data: data["pre_tokenizer"]["pretokenizers"][0]["pattern"].update(Regex=r"\s+"),
    lambda data: data["model"]["vocab"].pop("Ġ"),
    lambda data: data.pop("model"),
])
def test_another_kind_of_tokenizer_is_refused(tmp_path, change):
    data = json.loads((TOKENIZER / "tokenizer.json").read_text())
    change(data)
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(TokenizerError):
        read_tokenizer(tmp_path)
