"""Ranks as a table: a row for each kind of matrix, a column for each layer.

Dims: rows: kinds of matrix; columns: layers.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

NO_LAYER = "-"  # names the last column if some matrices belong to no layer


@dataclass(frozen=True)
class RankGrid:
    """Ranks by kind of matrix and layer.

    Attributes:
        kinds: a name a row.
        layers: a name a column.
        ranks: (rows, columns) float64; NaN where there is no such matrix.
    """

    kinds: tuple[str, ...]
    layers: tuple[str, ...]
    ranks: np.ndarray


def arrange_ranks(ranks: Mapping[str, float]) -> RankGrid:
    """Sort matrices by kind, in the order met, and by layer.

    A path may hold several numbers; the layer's is the one that makes most paths alike if it is
    left out: in decoder.block.7.layer.1.q the 7, if there are more blocks than layers in a block.

    Args:
        ranks: path -> triplets kept, or a mean of them.
    """
    alike = Counter(kind for path in ranks for kind, _ in _readings(path))
    places = {path: max(_readings(path), key=lambda reading: alike[reading[0]]) for path in ranks}
    kinds = list(dict.fromkeys(kind for kind, _ in places.values()))
    layers = sorted({layer for _, layer in places.values()})
    grid = np.full((len(kinds), len(layers)), np.nan)
    for path, (kind, layer) in places.items():
        grid[kinds.index(kind), layers.index(layer)] = ranks[path]
    names = (NO_LAYER if math.isinf(layer) else f"{layer:.0f}" for layer in layers)
    return RankGrid(_shorten(kinds), tuple(names), grid)


def _readings(path: str) -> Iterator[tuple[str, float]]:
    """Each way to see a path as a kind, with a * for the layer, and a layer; inf: it has none."""
    parts = path.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdecimal()]
    for place in numbers:
        yield ".".join([*parts[:place], "*", *parts[place + 1 :]]), float(parts[place])
    if not numbers:
        yield path, math.inf


def _shorten(kinds: Sequence[str]) -> tuple[str, ...]:
    """Leave out what comes before the layer, unless it tells several stacks of layers apart."""
    stacks = {kind.partition("*")[0] for kind in kinds if "*" in kind}
    if len(stacks) > 1:
        return tuple(kinds)
    return tuple(kind.partition("*.")[2] or kind for kind in kinds)
