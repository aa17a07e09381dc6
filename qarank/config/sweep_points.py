"""A recipe with a sweep section -> one recipe a run. Pure: nothing is read or written.

A point is a set of overrides, dotted keys or whole sections, and perhaps `name` and `published`.
Points are zipped, a grid is every combination; either is run once a seed. Runs whose names are the
same but for the seed are one group, and may differ in nothing else; a point with a name of its own
is in the group of that name, whatever it sets.
"""

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from qarank.config.load import parse_recipe, set_key
from qarank.config.mistakes import list_mistakes, show_value
from qarank.config.published import PublishedFigures, PublishedKey
from qarank.config.schema import Recipe, SweepConfig
from qarank.errors import RecipeError

SWEEP_KEYS = ("runs_dir", "sweep")  # a point's place on disk follows from the sweep
PUBLISHED = "published"
LABEL_CHARS = 80
DIGEST_CHARS = 8
MAX_NAME_BYTES = 200  # folders and files are named after a point, of 255 bytes at most

Overrides = dict[str, Any]


@dataclass(frozen=True)
class SweepPoint:
    """One run of a sweep.

    Attributes:
        name: unique in the sweep and safe as a folder's name.
        recipe: complete; its sweep is None, its run goes to <runs_dir>/<sweep>/<name>.
        group: the name without its seed: seeds of the sweep, or of points without names of their
            own, are runs of one group; the sweep's name where nothing else is set.
        published: figures of others for the settings of the group; None where it carries none.
    """

    name: str
    recipe: Recipe
    group: str
    published: PublishedFigures | None = None


def expand_points(recipe: Recipe) -> list[SweepPoint]:
    """All runs of a sweep, in the order they stand in the recipe, seeds innermost.

    Raises:
        RecipeError: there is no sweep, a point is no legal recipe, its name is too long, or two
            share one.
    """
    sweep = recipe.sweep
    if sweep is None:
        raise RecipeError(f"{recipe.name}: no sweep to expand; give sweep.points, .grid or .seeds")
    chosen = list(_list_overrides(recipe.name, sweep))
    labels = label_points(chosen, num_seeds=len(sweep.seeds or ()))
    _check_lengths(recipe.name, labels)
    _check_unique(recipe.name, labels)
    groups = _label_groups(recipe.name, chosen)
    points = [
        _build_point(recipe, number, label, group, overrides)
        for number, (label, group, overrides) in enumerate(
            zip(labels, groups, chosen, strict=True), start=1
        )
    ]
    _check_groups(recipe.name, points)
    return points


def _list_overrides(name: str, sweep: SweepConfig) -> Iterator[Overrides]:
    seeds: list[Overrides] = [{"seed": seed} for seed in sweep.seeds or ()] or [{}]
    for number, point in enumerate(_list_unseeded(name, sweep), start=1):
        where = f"{name}, sweep point {number}"
        for key in point:
            if key.split(".")[0] in SWEEP_KEYS:
                raise RecipeError(f"{where}: {key} belongs to the whole sweep")
            if key == "seed" and sweep.seeds is not None:
                raise RecipeError(f"{where}: seed is set by sweep.seeds already")
        for seed in seeds:
            yield {**point, **seed}


def _list_unseeded(name: str, sweep: SweepConfig) -> Iterator[Overrides]:
    if sweep.grid is None:
        yield from sweep.points or [{}]
        return
    if PUBLISHED in sweep.grid:
        raise RecipeError(
            f"{name}: a grid has no {PUBLISHED} figures; list the runs in sweep.points"
        )
    for values in itertools.product(*sweep.grid.values()):
        yield dict(zip(sweep.grid, values, strict=True))


def _build_point(
    recipe: Recipe, number: int, label: str, group: str, overrides: Overrides
) -> SweepPoint:
    where = f"{recipe.name}, sweep point {number} ({label})"
    mapping: dict[str, Any] = recipe.model_dump(exclude_unset=True)
    for key, value in overrides.items():
        if key != PUBLISHED:
            mapping = set_key(mapping, key, value, where=where)
    mapping |= {"name": label, "runs_dir": f"{recipe.runs_dir}/{recipe.name}"}
    del mapping["sweep"]
    published = read_published(overrides.get(PUBLISHED), where)
    return SweepPoint(label, parse_recipe(mapping, where), group, published)


def read_published(figures: Any, where: str) -> PublishedFigures | None:
    """Check the published figures of a point.

    Args:
        figures: as YAML gives them; None: there are none.
        where: opens an error's line.

    Raises:
        RecipeError: an unknown key, no source, no figure, or one that is no per cent.
    """
    asked = {PUBLISHED: figures}
    try:
        return PublishedKey.model_validate(asked).published
    except ValidationError as error:
        first, *others = list_mistakes(error, asked, PublishedKey.model_json_schema())
    more = f" (and {len(others)} more)" if others else ""
    raise RecipeError(f"{where}: {first.line}{more}")


def _label_groups(sweep_name: str, points: Sequence[Overrides]) -> list[str]:
    """Each point's label without its seed."""
    unseeded = [{key: point[key] for key in point if key != "seed"} for point in points]
    labels = label_points(unseeded, num_seeds=0)
    settings = [point.keys() - {PUBLISHED} for point in unseeded]
    return [label if keys else sweep_name for label, keys in zip(labels, settings, strict=True)]


def label_points(points: Sequence[Overrides], *, num_seeds: int) -> list[str]:
    """A name a point: its own, or the keys in which the points differ; then the seed.

    Args:
        points: dotted key -> value, `name` among them where the author gave one.
        num_seeds: 0 where the sweep has no seeds, so that `seed` is a key like others.
    """
    flat = [dict(_flatten(point)) for point in points]
    shown = _differing_keys(flat)
    leaves = Counter(key.rsplit(".", 1)[-1] for key in shown)
    labels = []
    for point, keys in zip(points, flat, strict=True):
        parts = [
            _label_value(key, keys[key], is_shared=leaves[key.rsplit(".", 1)[-1]] > 1)
            for key in keys
            if key in shown and not (num_seeds and key == "seed")
        ]
        seed = [f"seed{point['seed']}"] if num_seeds else []
        if "name" in point:
            labels.append("_".join([str(point["name"]), *seed]))
        else:
            labels.append(_make_safe("_".join(parts + seed) or "point"))
    return labels


def _flatten(point: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key -> value, sections unfolded; `name` and `published` left out."""
    for key, value in point.items():
        if not prefix and key == PUBLISHED:
            continue
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        elif prefix or key != "name":
            yield f"{prefix}{key}", value


def _differing_keys(flat: Sequence[Overrides]) -> list[str]:
    """Keys whose value is not the same in all points; all keys where none differs."""
    keys = list(dict.fromkeys(key for point in flat for key in point))
    differing = [key for key in keys if len({repr(point.get(key, "-")) for point in flat}) > 1]
    return differing or keys


def _label_value(key: str, value: Any, *, is_shared: bool) -> str:
    word = key.replace(".", "_") if is_shared else key.rsplit(".", 1)[-1]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{word}{value}"
    listed = value if isinstance(value, list) else [value]
    words = [item if isinstance(item, str) else show_value(item) for item in listed]
    return "-".join([word, *words])


def _make_safe(label: str) -> str:
    """Letters, digits and ._- only, at most 80; a digest keeps apart what becomes alike."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", label).lstrip(".")
    if safe == label and len(label) <= LABEL_CHARS:
        return label
    digest = hashlib.sha256(label.encode()).hexdigest()[:DIGEST_CHARS]
    return f"{safe[: LABEL_CHARS - DIGEST_CHARS - 1]}-{digest}"


def _check_lengths(sweep_name: str, labels: Sequence[str]) -> None:
    for number, label in enumerate(labels, start=1):
        size = len(label.encode(errors="replace"))
        if size > MAX_NAME_BYTES:
            raise RecipeError(
                f"{sweep_name}, sweep point {number}: its name, {label[:20]}..., has {size} bytes;"
                f" at most {MAX_NAME_BYTES} are allowed"
            )


def _check_unique(sweep_name: str, labels: Sequence[str]) -> None:
    counts = Counter(label.casefold() for label in labels)  # some file systems ignore case
    for label in labels:
        if counts[label.casefold()] > 1:
            raise RecipeError(
                f"{sweep_name}: two sweep points are named {label}; give each another name"
            )


def _check_groups(sweep_name: str, points: Sequence[SweepPoint]) -> None:
    """The runs of a group differ in their seed alone, and stand beside the same figures."""
    settings: dict[str, Recipe] = {}
    figures: dict[str, PublishedFigures] = {}
    for point in points:
        unseeded = point.recipe.model_copy(update={"name": "", "seed": 0})
        if settings.setdefault(point.group, unseeded) != unseeded:
            raise RecipeError(
                f"{sweep_name}: two sweep points are named {point.group} but for seeds"
            )
        if point.published and figures.setdefault(point.group, point.published) != point.published:
            raise RecipeError(
                f"{sweep_name}: points of {point.group} carry other {PUBLISHED} figures"
            )
