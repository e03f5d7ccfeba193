# SPDX-License-Identifier: Apache-2.0
"""A logistic regression over TF-IDF n-grams: the baseline that a guard must beat, and a first teacher for a miniature."""

import hashlib
from typing import List, Sequence

import numpy as np

from .data import Conversation
from .errors import RecipeError


def vectorizer(rarest: int = 1):
    """Words (1 and 2) and letters within words (2 to 5). Raises ImportError without scikit-learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    return make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=rarest),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=rarest),
    )


class NgramTeacher:
    """
    One regression for each fold of the training lines, fitted on the lines of the others, so that what it says of a line
    is not what it knows by heart. It judges any text, so texts that nobody labelled can be learnt from as well.
    """

    def __init__(self, conversations: Sequence[Conversation], folds: int = 8) -> None:
        try:
            from sklearn.linear_model import LogisticRegression
        except ImportError as error:
            raise RecipeError("ngrams needs scikit-learn, Debian's python3-sklearn") from error
        self.folds = folds
        self._vectorizer = vectorizer(rarest=2)
        rows = self._vectorizer.fit_transform([c.texts[-1] for c in conversations]).tocsr()
        unsafe = np.array([c.unsafe for c in conversations])
        fold = np.array([self.fold(c) for c in conversations])
        self._weights: List[np.ndarray] = []
        self._offsets: List[float] = []
        for left_out in range(folds):
            others = np.flatnonzero(fold != left_out)
            fitted = LogisticRegression(C=10, solver="liblinear", tol=1e-2).fit(rows[others], unsafe[others])
            self._weights.append(fitted.coef_[0])
            self._offsets.append(float(fitted.intercept_[0]))

    def fold(self, conversation: Conversation) -> int:
        """Which regression has not seen this line; its text decides."""
        digest = hashlib.sha256(conversation.texts[-1].encode("utf-8", "replace")).digest()
        return int.from_bytes(digest[:4], "big") % self.folds

    def judge(self, texts: Sequence[str], folds: Sequence[int]) -> List[float]:
        """P(unsafe) of each text by the regression of its fold."""
        rows = self._vectorizer.transform(texts).tocsr()
        margins = [float((rows[i] @ self._weights[k])[0]) + self._offsets[k] for i, k in enumerate(folds)]
        return [1 / (1 + float(np.exp(-margin))) for margin in margins]
