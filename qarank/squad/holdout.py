"""Holds out a part of the training examples, whole articles at a time, to tune a threshold on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qarank.errors import DataError
from qarank.squad.audit_findings import fold
from qarank.squad.examples import Example
from qarank.squad.loaded_data import LoadedData

Key = tuple[str, str]  # "title" or "context", and its text
NEAR = 2.0  # what is held out is at least the share / NEAR, and at most the share * NEAR
LARGEST_TOLD = 0.99  # a share that a recipe may have, however much one article holds


def hold_out(data: LoadedData, share: float, *, seed: int) -> tuple[LoadedData, LoadedData]:
    """Split by article, so that nothing of a held-out article is trained on.

    Articles go by their title, examples without one by their context; titles that share a context,
    white space and case aside, are one article.

    Args:
        data: in its order, which both parts keep.
        share: of the examples to hold out, 0 < share < 1.
        seed: of the choice of articles.

    Returns:
        What stays, with the records that were left out, and about `share` of all, held out.

    Raises:
        DataError: there are fewer than two articles to choose from, or none of their sums is within
            a factor of NEAR of the share.
    """
    articles = number_articles(data.examples)
    sizes = np.bincount(articles).tolist()
    if len(sizes) < 2:
        raise DataError(
            f"data.threshold_share is {share}, but the training data is one article alone: at "
            "least two are needed to hold one out"
        )
    held = _choose_articles(sizes, share * len(articles), seed)
    count = sum(sizes[article] for article in held)
    if _distance(count, share * len(articles)) > NEAR:
        allowed = min(count / len(articles), LARGEST_TOLD)
        raise DataError(
            f"data.threshold_share is {share}, but articles are held out whole, and the nearest "
            f"those of the training data allow is {allowed:.2g}: {count:,} of {len(articles):,} "
            "questions"
        )
    kept = _take(data, [place for place, article in enumerate(articles) if article not in held])
    out = _take(data, [place for place, article in enumerate(articles) if article in held])
    return kept, replace(out, faults=(), unnamed=())


def number_articles(examples: Sequence[Example]) -> list[int]:
    """The article of each example, numbered from 0 by first appearance.

    Examples of one title are of one article, and so are those of one context, white space and case
    aside, and whatever these join.
    """
    folded = {context: fold(context) for context in {example.context for example in examples}}
    joined: dict[Key, Key] = {}  # a title or context -> one of its article
    for example in examples:
        context = ("context", folded[example.context])
        title = ("title", example.title) if example.title else context
        joined[_find_root(joined, title)] = _find_root(joined, context)
    numbers: dict[Key, int] = {}
    roots = [_find_root(joined, ("context", folded[each.context])) for each in examples]
    return [numbers.setdefault(root, len(numbers)) for root in roots]


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


def _find_root(joined: dict[Key, Key], key: Key) -> Key:
    """What stands for all that a key is joined with; on the way there, paths are halved."""
    while joined.setdefault(key, key) != key:
        joined[key] = joined[joined[key]]
        key = joined[key]
    return key


def _choose_articles(sizes: Sequence[int], wanted: float, seed: int) -> set[int]:
    """Articles in random order, but none that would be too much; one always stays.

    The smallest one passed over joins them, or takes their place, where that comes nearer.
    """
    order = np.random.default_rng(seed).permutation(len(sizes)).tolist()
    held: set[int] = set()
    count = 0
    for article in order:
        if count + sizes[article] <= wanted:
            held.add(article)
            count += sizes[article]
    smallest = min((each for each in order if each not in held), key=lambda each: sizes[each])
    choices = [held, held | {smallest}, {smallest}]
    return min(
        (choice for choice in choices if 0 < len(choice) < len(sizes)),
        key=lambda choice: _distance(sum(sizes[each] for each in choice), wanted),
    )


def _distance(count: int, wanted: float) -> float:
    """By what factor a count is too large or too small, 1 or more."""
    return max(count / wanted, wanted / count)


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
