# SPDX-License-Identifier: Apache-2.0
"""What a model that is trained from nothing begins with: a vocabulary, an embedding, and losses beside the answer's."""

import json
import math
import random

import pytest
import torch

from conftest import TOKENIZER
from llama_guard_compress.augment import crossed
from llama_guard_compress.batches import Builder
from llama_guard_compress.config import ModelConfig
from llama_guard_compress.data import Conversation
from llama_guard_compress.errors import TokenizerError
from llama_guard_compress.losses import guess_loss, taught_verdicts, verdict_rows
from llama_guard_compress.model import Guard, initialize
from llama_guard_compress.tokenizer import byte_letters, read_tokenizer
from llama_guard_compress.vocabulary import learn_tokenizer
from llama_guard_compress.warm_start import warm_start

BASE = json.loads((TOKENIZER / "tokenizer.json").read_text())


def said(text, *categories):
    return Conversation("en", ("user",), (text,), "unsafe" if categories else "safe", categories)


@pytest.fixture
def learnt(tmp_path):
    def make(conversations, size):
        (tmp_path / "tokenizer.json").write_text(json.dumps(learn_tokenizer(BASE, conversations, size)))
        return read_tokenizer(tmp_path)
    return make


def test_a_learnt_vocabulary_has_the_common_words_and_what_a_verdict_needs_as_single_tokens(learnt):
    tokenizer = learnt([said("zebra zebra quokka"), said("a zebra")] * 200, 500)
    assert tokenizer.size == 500
    for word in ("safe", "unsafe", "\n\n", ",S", "10", "11", "12", "13", " zebra"):
        assert tokenizer.token(word) is not None, word
    assert tokenizer.encode(" zebra") == [tokenizer.token(" zebra")]
    assert sorted(tokenizer.control(name) for name in ("<|begin_of_text|>", "<|eot_id|>")) == [494, 499]


def test_merges_take_the_commonest_pair_first(learnt):
    # Of "xyxyxyz" times 1000, "xy" is three times as common as any other pair that the prompt does not have.
    tokenizer = learnt([said("xyxyxyz " * 10)] * 100, 256 + 6 + 15)
    assert tokenizer.token("xy") is not None and tokenizer.token("yx") is None


def test_any_text_has_tokens_in_a_learnt_vocabulary_and_they_spell_it(learnt):
    data = learn_tokenizer(BASE, [said("hello there, how are you?")], 500)
    spelled = {i: text for text, i in data["model"]["vocab"].items()}
    tokenizer = learnt([said("hello there, how are you?")], 500)
    rng = random.Random(3)
    for _ in range(200):
        text = "".join(chr(rng.choice((rng.randrange(32, 127), rng.randrange(0xa0, 0x2fff)))) for _ in range(20))
        together = "".join(spelled[i] for i in tokenizer.encode(text))
        assert together == byte_letters(text.encode())


def test_too_large_a_vocabulary_for_the_data_is_refused():
    with pytest.raises(TokenizerError, match="no more than"):
        learn_tokenizer(BASE, [said("short")], 20000)


def test_the_warm_start_moves_words_of_one_class_together_and_keeps_the_spread(tokenizer):
    data = [said("please bake bread with me"), said("steal cars tonight quickly", "S2")] * 64
    model = Guard(ModelConfig(layers=1, hidden=32, mlp=32, heads=2, kv_heads=1, vocab=4096, head_dim=16))
    initialize(model, 1)
    warm_start(model, tokenizer, data, 8, 0.0, 1)
    vectors = model.model.embed_tokens.weight.detach()
    assert float(vectors.std()) == pytest.approx(0.09, rel=1e-3)
    bake, bread, steal, cars = (vectors[tokenizer.encode(f" {word}")].mean(0) for word in ("bake", "bread", "steal", "cars"))
    assert torch.cosine_similarity(bake, bread, 0) > 0.8 and torch.cosine_similarity(steal, cars, 0) > 0.8
    assert torch.cosine_similarity(bake, steal, 0) < 0.5
    again = Guard(model.config)
    warm_start(again, tokenizer, data, 8, 0.0, 1)
    assert torch.equal(again.model.embed_tokens.weight, model.model.embed_tokens.weight)


def test_guesses_are_at_the_tokens_of_the_judged_message_alone_and_weigh_one_in_sum(tokenizer):
    builder = Builder(tokenizer, "short")
    talk = Conversation("en", ("user", "assistant"), ("Open the safe.", "I will, tonight."), "unsafe", ("S2", "S7"))
    item = builder.item(talk)
    batch, targets = builder.collate([item], "assistant", with_guesses=True)
    own = tokenizer.encode("Agent: I will, tonight.\n\n")
    rows = batch.answer_rows[len(targets.labels):].tolist()
    assert batch.bodies[0, rows].tolist() == own
    assert {builder.labels.texts[i] for i in targets.guesses.labels.tolist()} == {"2"}
    assert float(targets.guesses.weights.sum()) == pytest.approx(1)
    assert targets.guesses.weights.tolist() == sorted(targets.guesses.weights.tolist())


def test_the_guesses_loss_is_the_cross_entropy_among_safe_and_the_numbers(tokenizer):
    builder = Builder(tokenizer, "short")
    items = [builder.item(said("Good day.")), builder.item(said("Good day.", "S13"))]
    _, targets = builder.collate(items, "user", with_guesses=True)
    logits = torch.zeros(len(targets.guesses.labels), 20)
    logits[:, [1, 2, 3, 4, 5, 19]] = 50.0  # "unsafe", "\n", ...: no part in it
    assert float(guess_loss(logits, targets.guesses, builder.labels, 2, 0.0)) == pytest.approx(math.log(14), rel=1e-5)
    right = torch.nn.functional.one_hot(targets.guesses.labels, 20) * 30.0
    assert float(guess_loss(right, targets.guesses, builder.labels, 2, 0.0)) == pytest.approx(0, abs=1e-5)


def test_taught_verdicts_are_least_where_the_model_agrees_with_the_teacher(tokenizer):
    builder = Builder(tokenizer, "short")
    margin = math.log(0.8 / 0.2)
    logits = torch.zeros(2, 20)
    logits[0, builder.labels.unsafe] = margin
    entropy = -(0.8 * math.log(0.8) + 0.2 * math.log(0.2))
    losses = taught_verdicts(logits, [0.8, 0.8], builder.labels)
    assert losses.tolist() == pytest.approx([entropy, math.log(2)], rel=1e-5)
    _, targets = builder.collate([builder.item(said("Hi.")), builder.item(said("Hi.", "S1", "S2"))], "user")
    words = [builder.labels.texts[int(targets.labels[i])] for i in verdict_rows(targets, True)]
    assert words == ["safe", "unsafe"]


def test_crossed_texts_are_a_beginning_and_an_end():
    rng = random.Random(5)
    for _ in range(100):
        words = crossed("a b c d", "1 2 3", rng).split()
        letters = [w for w in words if w.isalpha()]
        numbers = [w for w in words if w.isdigit()]
        assert words == letters + numbers and words
        assert "a b c d".startswith(" ".join(letters)) and "1 2 3".endswith(" ".join(numbers))


def test_an_ngram_teacher_says_of_a_line_what_the_other_lines_teach():
    pytest.importorskip("sklearn")
    from llama_guard_compress.ngrams import NgramTeacher

    data = [said(f"bake bread number {i}") for i in range(40)] + [said(f"steal cars number {i}", "S2") for i in range(40)]
    odd = said("bake bread for grandma", "S2")  # its own label must not show in what is said of it
    teacher = NgramTeacher([*data, odd], folds=4)
    low, high, left_out = teacher.judge(["bake bread", "steal cars", odd.texts[0]], [0, 0, teacher.fold(odd)])
    assert low < 0.2 and high > 0.8 and left_out < 0.3
    assert {teacher.fold(c) for c in data} == {0, 1, 2, 3}
