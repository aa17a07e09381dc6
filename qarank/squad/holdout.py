"""Holds out a part of the training examples, whole articles at a time, to tune a threshold on."""

from collections.abc import Sequence

import numpy as np

from qarank.errors import DataError
from qarank.squad.examples import Example


def hold_out(
    examples: Sequence[Example], share: float, *, seed: int
) -> tuple[list[Example], list[Example]]:
    """Split by article, so that nothing of a held-out article is trained on.

    Articles go by their title, examples without one by their context.

    Args:
        examples: in their order, which both parts keep.
        share: of the examples to hold out, 0 <= share < 1; 0 holds out none.
        seed: of the choice of articles.

    Returns:
        What stays, and at least `share` of all that is held out.

    Raises:
        DataError: there are fewer than two articles to choose from.
    """
    if share == 0:
        return list(examples), []
    articles = [example.title or example.context for example in examples]
    sizes: dict[str, int] = {}
    for article in articles:
        sizes[article] = sizes.get(article, 0) + 1
    held = _choose_articles(sizes, share * len(examples), seed)
    if not held:
        raise DataError(
            f"data.threshold_share is {share}, but the training data is one article alone: at "
            "least two are needed to hold one out"
        )
    places = range(len(examples))
    kept = [examples[place] for place in places if articles[place] not in held]
    return kept, [examples[place] for place in places if articles[place] in held]


def _choose_articles(sizes: dict[str, int], wanted: float, seed: int) -> set[str]:
    """Articles in random order until there are enough examples; one always stays."""
    names = list(sizes)
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    held: set[str] = set()
    count = 0
    for place in order[:-1]:
        if count >= wanted:
            break
        held.add(names[place])
        count += sizes[names[place]]
    return held
