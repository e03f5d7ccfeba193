# SPDX-License-Identifier: Apache-2.0
"""What a guard must beat: always answering "unsafe", and a logistic regression over TF-IDF n-grams."""

from typing import Dict, List, Sequence

import numpy as np

from .data import Conversation
from .evaluate import figures


def always_unsafe(conversations: Sequence[Conversation]) -> Dict:
    return figures(conversations, np.ones(len(conversations)))


def ngrams(train: Sequence[Conversation], conversations: Sequence[Conversation]) -> Dict:
    """
    Words (1 and 2) and letters within words (2 to 5) of the judged message, trained on the same lines as the model.
    Raises ImportError without scikit-learn.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    model = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        ),
        LogisticRegression(C=10, max_iter=1000),
    )
    model.fit(_texts(train), [item.unsafe for item in train])
    return figures(conversations, model.predict_proba(_texts(conversations))[:, 1])


def _texts(conversations: Sequence[Conversation]) -> List[str]:
    return [item.texts[-1] for item in conversations]
