# SPDX-License-Identifier: Apache-2.0
"""Llama 3's byte-level BPE, read from a Hugging Face tokenizer.json. Text never becomes a control token."""

import json
import random
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import regex

from .errors import TokenizerError

_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# White space as the Rust library `regex` has it, which Meta's tokenizer uses: the Unicode property.
_SPLIT = regex.compile(_PATTERN.replace(r"\s", r"\p{White_Space}").replace(r"\S", r"\P{White_Space}"))
_CACHED_PIECES = 1 << 16


def _byte_alphabet() -> List[str]:
    """The printable character that stands for each byte in a tokenizer.json."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    letters = {byte: chr(byte) for byte in printable}
    letters.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return [letters[byte] for byte in range(256)]


_LETTERS = _byte_alphabet()


def pieces(text: str) -> List[str]:
    """The parts of a text that merges never cross."""
    return _SPLIT.findall(text)


def byte_letters(data: bytes) -> str:
    """Bytes as a tokenizer.json writes them."""
    return "".join(_LETTERS[byte] for byte in data)


class Tokenizer:
    """Encodes text to token ids. Immutable but for a cache of pieces."""

    def __init__(self, vocab: Dict[str, int], merges: List[Tuple[str, str]], control: Dict[str, int],
                 ignore_merges: bool) -> None:
        self._vocab = vocab
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._control = control
        self._ignore_merges = ignore_merges
        self.size = 1 + max([*vocab.values(), *control.values()])
        missing = [byte for byte, letter in enumerate(_LETTERS) if letter not in vocab]
        if missing:
            raise TokenizerError(f"The tokenizer has no token for the byte {missing[0]}")
        self._piece = lru_cache(_CACHED_PIECES)(self._encode_piece)

    def encode(self, text: str, dropout: float = 0.0, rng: Optional[random.Random] = None) -> List[int]:
        """Token ids of a text. With `dropout` each merge is left out with that probability (BPE dropout)."""
        ids: List[int] = []
        for piece in pieces(text):
            letters = byte_letters(piece.encode("utf-8", "replace"))
            ids.extend(self._merge(letters, dropout, rng) if rng and dropout > 0 else self._piece(letters))
        return ids

    def token(self, text: str) -> Optional[int]:
        """The id of a text that is one ordinary token."""
        return self._vocab.get(byte_letters(text.encode()))

    def control(self, name: str) -> int:
        """The id of a control token such as <|eot_id|>."""
        if name not in self._control:
            raise TokenizerError(f"The tokenizer has no control token {name}, which the prompt needs")
        return self._control[name]

    def _encode_piece(self, letters: str) -> Tuple[int, ...]:
        if self._ignore_merges and letters in self._vocab:
            return (self._vocab[letters],)
        return tuple(self._merge(letters, 0.0, None))

    def _merge(self, letters: str, dropout: float, rng: Optional[random.Random]) -> List[int]:
        symbols = list(letters)
        while len(symbols) > 1:
            best = None
            for i in range(len(symbols) - 1):
                rank = self._ranks.get((symbols[i], symbols[i + 1]))
                if rank is None or (rng and rng.random() < dropout):
                    continue
                if best is None or rank < best[0]:
                    best = (rank, i)
            if best is None:
                break
            i = best[1]
            symbols[i:i + 2] = [symbols[i] + symbols[i + 1]]
        return [self._vocab[symbol] for symbol in symbols]


def _split_patterns(pre_tokenizer: dict) -> List[str]:
    """The regular expressions that text is split by."""
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    return [step.get("pattern", {}).get("Regex", "") for step in steps if step.get("type") == "Split"]


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint folder."""
    path = Path(folder) / "tokenizer.json"
    try:
        data = json.loads(path.read_text("utf-8"))
        model = data["model"]
        vocab = dict(model["vocab"])
        merges = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TokenizerError(f"{path} cannot be read as a tokenizer: {error!r}") from error
    if model.get("type") != "BPE" or model.get("byte_fallback") or data.get("normalizer"):
        raise TokenizerError(f"{path} must be a byte-level BPE without a normalizer")
    if _split_patterns(data.get("pre_tokenizer") or {}) != [_PATTERN]:
        raise TokenizerError(f"{path} does not split text by Llama 3's pattern")
    control = {entry["content"]: entry["id"] for entry in data.get("added_tokens", [])}
    return Tokenizer(vocab, merges, control, bool(model.get("ignore_merges")))
