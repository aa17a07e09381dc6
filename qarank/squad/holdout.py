"""Holds out a part of the training examples, whole articles at a time, to tune a threshold on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.loaded_data import LoadedData


def hold_out(data: LoadedData, share: float, *, seed: int) -> tuple[LoadedData, LoadedData]:
    """Split by article, so that nothing of a held-out article is trained on.

    Articles go by their title, examples without one by their context.

    Args:
        data: in its order, which both parts keep.
        share: of the examples to hold out, 0 < share < 1.
        seed: of the choice of articles.

    Returns:
        What stays, with the records that were left out, and at least `share` of all, held out.

    Raises:
        DataError: there are fewer than two articles to choose from.
    """
    articles = [example.title or example.context for example in data.examples]
    held = _choose_articles(articles, share, seed)
    if not held:
        raise DataError(
            f"data.threshold_share is {share}, but the training data is one article alone: at "
            "least two are needed to hold one out"
        )
    kept = _take(data, [place for place, article in enumerate(articles) if article not in held])
    out = _take(data, [place for place, article in enumerate(articles) if article in held])
    return kept, replace(out, faults=(), unnamed=())


def require_both_kinds(examples: Sequence[Example], *, share: float) -> None:
    """Refuse questions that no threshold can be chosen on.

    Raises:
        DataError: all of them have an answer, or none has.
    """
    num_unanswerable = sum(example.is_impossible for example in examples)
    if num_unanswerable in (0, len(examples)):
        have = "no question" if num_unanswerable else "every question"
        raise DataError(
            f"the null threshold cannot be tuned: {have} of the {len(examples):,} that "
            f"data.threshold_share {share} holds out of the training data has an answer; a larger "
            "share may hold both kinds, eval.null_threshold: 0.0 needs no tuning"
        )


def _choose_articles(articles: Sequence[str], share: float, seed: int) -> set[str]:
    """Articles in random order until there are enough examples; one always stays."""
    sizes: dict[str, int] = {}
    for article in articles:
        sizes[article] = sizes.get(article, 0) + 1
    names = list(sizes)
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    held: set[str] = set()
    count = 0
    for place in order[:-1]:
        if count >= share * len(articles):
            break
        held.add(names[place])
        count += sizes[names[place]]
    return held


def _take(data: LoadedData, places: Sequence[int]) -> LoadedData:
    """Some of the examples, with what was noticed of them."""
    examples = [data.examples[place] for place in places]
    ids = {example.id for example in examples}
    return replace(
        data,
        examples=examples,
        files=[data.files[place] for place in places],
        mended=[mended for mended in data.mended if mended.id in ids],
    )
