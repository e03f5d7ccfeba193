# SPDX-License-Identifier: Apache-2.0
"""
A vocabulary learnt from conversations: byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) over the bytes of
Llama 3's pieces. A miniature reads 25,000 short texts, so a word should be one token where it can be: the words of a
small vocabulary fall into pieces that a small model must first learn to put together.
"""

import heapq
from collections import Counter, defaultdict
from typing import Dict, Iterable, List, Sequence, Set, Tuple

from .data import Conversation
from .errors import TokenizerError
from .prompt import END_OF_TURN, STYLES, TAXONOMY, prompt_texts
from .tokenizer import byte_letters, pieces

# What a verdict is made of: each must be one token.
_VERDICT = ("safe", "unsafe", "\n\n", ",S", *(str(i + 1) for i in range(9, len(TAXONOMY))))
_CONTROLS = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", END_OF_TURN)
_PROMPT_WEIGHT = 50  # what the prompt's own texts count, which every request carries

Pair = Tuple[str, str]


def learn_tokenizer(base: Dict, conversations: Sequence[Conversation], size: int) -> Dict:
    """A tokenizer.json of `size` tokens, controls included, with the splitting of the tokenizer.json `base`."""
    merges = _verdict_merges()
    merges += _learn(_count(conversations), merges, size - 256 - len(_CONTROLS))
    letters = [byte_letters(bytes([byte])) for byte in range(256)]
    vocab = {text: i for i, text in enumerate(dict.fromkeys([*letters, *(a + b for a, b in merges)]))}
    controls = [{"id": len(vocab) + i, "content": name, "single_word": False, "lstrip": False, "rstrip": False,
                 "normalized": False, "special": True} for i, name in enumerate(_CONTROLS)]
    model = {**base["model"], "vocab": vocab, "merges": [f"{a} {b}" for a, b in merges]}
    return {**base, "added_tokens": controls, "post_processor": None, "model": model}


def _verdict_merges() -> List[Pair]:
    """Merges that make each text of a verdict one token, from the left."""
    merges: Dict[Pair, None] = {}
    for text in _VERDICT:
        symbols = _apply(list(byte_letters(text.encode())), merges)
        while len(symbols) > 1:
            merges[symbols[0], symbols[1]] = None
            symbols = [symbols[0] + symbols[1], *symbols[2:]]
    return list(merges)


def _apply(symbols: List[str], merges: Iterable[Pair]) -> List[str]:
    for pair in merges:
        symbols = _joined(symbols, pair)
    return symbols


def _joined(symbols: List[str], pair: Pair) -> List[str]:
    """Each occurrence of a pair as one symbol."""
    out: List[str] = []
    i = 0
    while i < len(symbols):
        both = i + 1 < len(symbols) and symbols[i] == pair[0] and symbols[i + 1] == pair[1]
        out.append(pair[0] + pair[1] if both else symbols[i])
        i += 2 if both else 1
    return out


def _count(conversations: Sequence[Conversation]) -> Counter:
    """How often each piece occurs, a text counted as it is and in lower case."""
    counts: Counter = Counter()
    for conversation in conversations:
        for text in conversation.texts:
            counts.update(pieces(f" {text.strip()}\n\n"))
            counts.update(pieces(text.strip().lower()))
    for text in prompt_texts(STYLES["llama-guard-3-1b"]):
        for piece in pieces(text):
            counts[piece] += _PROMPT_WEIGHT
    return Counter({byte_letters(piece.encode("utf-8", "replace")): count for piece, count in counts.items()})


def _learn(counts: Counter, first: Sequence[Pair], wanted: int) -> List[Pair]:
    """The merges after `first` until there are `wanted` with them: always the commonest pair, ties by its letters."""
    words = [_apply(list(word), first) for word in counts]
    times = list(counts.values())
    pairs: Counter = Counter()
    places: Dict[Pair, Set[int]] = defaultdict(set)
    for i, word in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += times[i]
            places[pair].add(i)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    merges: List[Pair] = []
    while len(merges) < wanted - len(first):
        if not heap:
            raise TokenizerError(f"The conversations have no more than {256 + len(first) + len(merges)} different tokens")
        count, pair = heapq.heappop(heap)
        if pairs[pair] != -count:  # an entry from before other merges took some of its places
            if pairs[pair] > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
            continue
        merges.append(pair)
        changed: Set[Pair] = set()
        for i in places.pop(pair):
            old, new = words[i], _joined(words[i], pair)
            for other in zip(old, old[1:]):
                pairs[other] -= times[i]
            for other in zip(new, new[1:]):
                pairs[other] += times[i]
                if pair[0] + pair[1] in other:
                    places[other].add(i)
                    changed.add(other)
            words[i] = new
        for other in changed:
            heapq.heappush(heap, (-pairs[other], other))
    return merges
