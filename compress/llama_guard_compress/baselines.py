# SPDX-License-Identifier: Apache-2.0
"""What a guard must beat: always answering "unsafe", and a logistic regression over TF-IDF n-grams."""

from typing import Dict, List, Sequence

import numpy as np

from .data import Conversation
from .evaluate import figures
from .ngrams import vectorizer


def always_unsafe(conversations: Sequence[Conversation]) -> Dict:
    return figures(conversations, np.ones(len(conversations)))


def ngrams(train: Sequence[Conversation], conversations: Sequence[Conversation]) -> Dict:
    """Trained on the same lines as the model, on the judged message alone. Raises ImportError without scikit-learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(vectorizer(), LogisticRegression(C=10, max_iter=1000))
    model.fit(_texts(train), [item.unsafe for item in train])
    return figures(conversations, model.predict_proba(_texts(conversations))[:, 1])


def _texts(conversations: Sequence[Conversation]) -> List[str]:
    return [item.texts[-1] for item in conversations]
