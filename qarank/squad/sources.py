"""Where examples come from: files in SQuAD's JSON, data sets of the hub, or the shipped sample."""

import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.hub_dataset import read_hub_dataset, require_hub_dataset
from qarank.squad.sample import almanac
from qarank.squad.squad_json import read_squad_file
from qarank.squad.text_file import require_file

SAMPLE_PREFIX = "sample:"
SAMPLES: Mapping[str, Callable[..., list[Example]]] = {"almanac": almanac}
FILE_ENDINGS = (".json", ".json.gz")


def load_examples(
    source: str | Sequence[str],
    split: str,
    *,
    limit: int | None = None,
    seed: int | None = None,
) -> list[Example]:
    """Every example of a source, checked.

    Args:
        source: "sample:almanac"; a file, or several, in SQuAD's JSON, plain or gzip; or the name
            of a data set of the hub.
        split: train or validation; files have none, so there it says nothing.
        limit: keep that many examples; None keeps all.
        seed: draw them at random, in data order; None keeps the first ones.

    Returns:
        Examples in the order of the data, ids unique.

    Raises:
        DataError: a file or a row is wrong; the line says which.
        HubError: the source is no file, and the hub does not give it.
    """
    names = [source] if isinstance(source, str) else list(source)
    if not names:
        raise DataError("no data source is named; name a file, a hub data set or sample:almanac")
    rows = [row for name in names for row in _read_source(name, split)]
    _check_ids(rows)
    return pick_examples([example for _, example in rows], limit=limit, seed=seed)


def pick_examples(examples: list[Example], *, limit: int | None, seed: int | None) -> list[Example]:
    """The first limit examples, or with a seed a random choice of them in data order.

    Raises:
        DataError: limit is below 1.
    """
    if limit is None or limit >= len(examples):
        return examples
    if limit < 1:
        raise DataError(f"{limit} examples were asked for; it must be at least 1")
    if seed is None:
        return examples[:limit]
    places = random.Random(seed).sample(range(len(examples)), limit)
    return [examples[place] for place in sorted(places)]


def check_source(source: str | Sequence[str], split: str) -> None:
    """Raise, before anything is read, where a file is missing or a hub name is out of reach.

    Raises:
        DataError: no such file.
        HubError: a hub name that cannot be reached and is not cached.
    """
    for name in [source] if isinstance(source, str) else source:
        if name.startswith(SAMPLE_PREFIX):
            continue
        path = Path(os.path.expanduser(name))
        if name.endswith(FILE_ENDINGS):
            require_file(path)
        elif not path.exists():
            require_hub_dataset(name, split)


def _read_source(name: str, split: str) -> list[tuple[str, Example]]:
    if name.startswith(SAMPLE_PREFIX):
        return _read_sample(name, split)
    path = Path(os.path.expanduser(name))
    if name.endswith(FILE_ENDINGS) or path.exists():
        return read_squad_file(path)
    return read_hub_dataset(name, split)


def _read_sample(name: str, split: str) -> list[tuple[str, Example]]:
    build = SAMPLES.get(name.removeprefix(SAMPLE_PREFIX))
    if build is None:
        known = ", ".join(SAMPLE_PREFIX + sample for sample in SAMPLES)
        raise DataError(f"there is no {name}; the samples are {known}")
    if split not in ("train", "validation"):
        raise DataError(f"{name} has no split {split}; it has train and validation")
    return [(f"{name}: {split}", example) for example in build(split)]


def _check_ids(rows: Sequence[tuple[str, Example]]) -> None:
    seen: dict[str, str] = {}
    for where, example in rows:
        if example.id in seen:
            raise DataError(f"{where} has the id {example.id}, as has {seen[example.id]}")
        seen[example.id] = where
