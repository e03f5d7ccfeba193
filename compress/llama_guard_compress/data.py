# SPDX-License-Identifier: Apache-2.0
"""Conversations with labels, from JSON lines. Errors name file and line, never the text."""

import hashlib
import json
from pathlib import Path
from typing import List, NamedTuple, Tuple

from .errors import DataError

CODES = tuple(f"S{i}" for i in range(1, 14))


class Conversation(NamedTuple):
    """A conversation; the label judges its last message."""
    lang: str
    roles: Tuple[str, ...]
    texts: Tuple[str, ...]
    label: str  # "safe" or "unsafe"
    categories: Tuple[str, ...]  # of an unsafe one, in the order of the taxonomy

    @property
    def role(self) -> str:
        """Whose message is judged."""
        return self.roles[-1]

    @property
    def unsafe(self) -> bool:
        return self.label == "unsafe"

    @property
    def length(self) -> int:
        """Characters in all, to sort by."""
        return sum(map(len, self.texts))


def class_of(conversation: Conversation) -> int:
    """0 for safe, else the number of the first category."""
    return 1 + CODES.index(conversation.categories[0]) if conversation.unsafe else 0


def read_conversations(path: Path) -> List[Conversation]:
    """
    The conversations of a file, one JSON object a line: lang, messages, label, categories.
    Raises DataError where a line is damaged, has no label, or an unsafe one no category.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    found = [_parse(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise DataError(f"{path} holds no conversation")
    return found


def split_off(conversations: List[Conversation], share: float) -> Tuple[List[Conversation], List[Conversation]]:
    """Parts a set in two; a conversation's own text decides, so that a longer file keeps the old parts."""
    def chosen(item: Conversation) -> bool:
        digest = hashlib.sha256("\n".join(item.texts).encode("utf-8", "replace")).digest()
        return int.from_bytes(digest[:4], "big") < share * 2 ** 32
    return [c for c in conversations if not chosen(c)], [c for c in conversations if chosen(c)]


def refuse_overlap(train: List[Conversation], heldout: List[Conversation], path: Path) -> None:
    """Raises DataError where a held-out conversation is in the training data."""
    seen = {item.texts for item in heldout}
    for item in train:
        if item.texts in seen:
            raise DataError(f"{path} holds a conversation that is also in the training data: it would measure memory")


def _parse(line: str, where: str) -> Conversation:
    try:
        item = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: no valid JSON") from error
    if not isinstance(item, dict) or not isinstance(item.get("messages"), list) or not item["messages"]:
        raise DataError(f"{where}: an object with a list `messages` is expected")
    roles, texts = [], []
    for i, message in enumerate(item["messages"]):
        role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        if role != ("user", "assistant")[i % 2] or not isinstance(content, str) or not content.strip():
            raise DataError(f"{where}: message {i} must have the role {('user', 'assistant')[i % 2]} and a text")
        roles.append(role)
        texts.append(content)
    label, categories = item.get("label"), item.get("categories", [])
    if label not in ("safe", "unsafe"):
        raise DataError(f'{where}: no label; `label` must be "safe" or "unsafe"')
    if not isinstance(categories, list) or any(code not in CODES for code in categories):
        raise DataError(f"{where}: `categories` must be a list of codes from S1 to S13")
    if (label == "unsafe") != bool(categories):
        raise DataError(f"{where}: an unsafe conversation needs a category, and a safe one has none")
    ordered = tuple(sorted(set(categories), key=CODES.index))
    return Conversation(str(item.get("lang", "en")), tuple(roles), tuple(texts), label, ordered)
