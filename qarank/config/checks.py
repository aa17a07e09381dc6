"""Rules between the keys of a recipe, on plain values. Each raises ValueError with one full line.

A rule on one key alone is its type in schema.py. Lines name keys by their dotted path, since
pydantic's own location of a rule between two keys is only their section.
"""

from collections.abc import Iterable, Mapping, Sequence

from qarank.squad.source_names import ENDINGS, is_file_name

METRIC_TOKENS: dict[str, tuple[tuple[str, ...], ...]] = {
    "svd": (
        ("iptAB", "magAB"),
        ("iptE", "magE"),
        ("sumAB", "prodAB"),
        ("sumE", "prodE", "onlyE"),
    ),
    "frd": (("iptAB", "magAB"), ("sumAB", "prodAB")),  # doublets have no E to score
}


def check_name(name: str) -> None:
    """The name becomes a folder's name."""
    if not name.isprintable() or name[:1] in ("", ".", " ") or any(c in name for c in "/\\"):
        raise ValueError(
            f"name is {name!r}; it names a folder: printable, no slash, no dot or space in front"
        )


def check_exactly_one(section: str, **values: object) -> None:
    """Just one of the values is not None."""
    given = [key for key, value in values.items() if value is not None]
    if len(given) != 1:
        named = " or ".join(f"{section}.{key}" for key in values)
        state = "both are given, set one to null" if given else "neither is given"
        raise ValueError(f"exactly one of {named} is needed; {state}")


def check_none_idle(section: str, idle: Iterable[str], given: set[str], because: str) -> None:
    """Refuse keys that were written down and would do nothing."""
    for key in idle:
        if key in given:
            raise ValueError(
                f"{section}.{key} has no effect with {section}.type {because};"
                f" leave it out (an override that replaces the section:"
                f" {section}={{type: {because}}})"
            )


def is_files(source: str | Sequence[str]) -> bool:
    """Whether a data source is a file or a list of files, not a hub name or a sample."""
    return not isinstance(source, str) or is_file_name(source)


def check_files(key: str, value: str | Sequence[str]) -> None:
    """Every path is a file's."""
    for path in [value] if isinstance(value, str) else value:
        if not is_file_name(path):
            raise ValueError(
                f"{key} names {path!r}; a data file has one of the endings {' '.join(ENDINGS)},"
                f" also with .gz, or is written as a path, ./{path} (and the name of a split needs"
                " a hub name in data.source)"
            )


def check_split(key: str, value: str | Sequence[str], source: str) -> None:
    """A split's name, since data.source is no file."""
    if is_files(value):
        raise ValueError(
            f"{key} is {value!r}; with data.source {source} it must be the name of a split"
            " (for files leave data.source out)"
        )


def check_data(
    source: str | list[str] | None,
    train: str | list[str] | None,
    validation: str | list[str] | None,
) -> None:
    """The three keys together name the training data, and name it once."""
    if source is None and train is None:
        raise ValueError("nothing names the training data; give data.source or data.train")
    places = {"data.train": train, "data.validation": validation}
    named = {key: value for key, value in places.items() if value is not None}
    if isinstance(source, str) and not is_files(source):
        for key, value in named.items():
            check_split(key, value, source)
        return
    if source is not None:
        check_files("data.source", source)
        if train is not None:
            raise ValueError("data.source and data.train both name training files; keep one")
    for key, value in named.items():
        check_files(key, value)


def check_named_columns(source: str | Sequence[str] | None) -> None:
    """The sample's columns have one name each."""
    if isinstance(source, str) and source.startswith("sample:"):
        raise ValueError(f"data.columns has no effect with data.source {source}; leave it out")


def check_columns(mapping: Mapping[str, str]) -> None:
    """Each of their columns once, and one way to give the answers."""
    for theirs in mapping.values():
        ours = [f"data.columns.{key}" for key, name in mapping.items() if name == theirs]
        if len(ours) > 1:
            raise ValueError(f"{' and '.join(ours)} both name {theirs}; a column is one thing")
    apart = [key for key in ("answer_text", "answer_start") if key in mapping]
    if apart and "answers" in mapping:
        raise ValueError(
            f"data.columns.answers and data.columns.{apart[0]} both name the answers; give answers"
            " where one column holds texts and starts, else answer_text and answer_start"
        )


def check_metric(metric: str, adapter_type: str) -> None:
    """One legal token a slot, and no token for the E that doublets lack."""
    tokens, slots = metric.split(","), METRIC_TOKENS[adapter_type]
    fits = len(tokens) == len(slots) and all(
        token in slot for token, slot in zip(tokens, slots, strict=True)
    )
    if not fits:
        allowed = ",".join("|".join(slot) for slot in slots)
        raise ValueError(
            f"allocator.metric is {metric!r}; with adapter.type {adapter_type}"
            f" it must be {len(slots)} tokens: {allowed}"
        )


def check_allocation(
    adapter_type: str,
    allocator_type: str,
    *,
    ranks: Mapping[str, int | None],
    r: int,
    metric: str | None,
) -> None:
    """The adapter has triplets to allocate, enough of them, and the metric can score them.

    Args:
        adapter_type: svd, frd or none.
        allocator_type: not none.
        ranks: the allocator's keys that are ranks, by name.
        r: triplets a matrix starts with.
        metric: four tokens, or two; None takes the default.
    """
    if adapter_type == "none":
        raise ValueError(
            f"allocator.type {allocator_type} needs adapter.type svd or frd; it is none"
        )
    for key, rank in ranks.items():
        if rank is not None and rank > r:
            raise ValueError(f"allocator.{key} is {rank}; it must be at most adapter.r, {r}")
    if metric is not None:
        check_metric(metric, adapter_type)


def check_threshold(
    share: float, null_threshold: float | str, *, with_null: bool | str, is_evaluated: bool
) -> None:
    """What is held out is tuned on, and a threshold is tuned on what is held out."""
    is_tuned = null_threshold == "tuned"
    if is_tuned and share == 0:
        raise ValueError(
            "eval.null_threshold tuned needs questions to be tuned on; give data.threshold_share,"
            " as 0.1: the share of the training examples to hold out"
        )
    if share > 0 and not is_tuned:
        raise ValueError(
            f"data.threshold_share {share} holds out training examples, but eval.null_threshold is"
            f" {null_threshold}: nothing is tuned on them; set it to tuned, or leave the share out"
        )
    if is_tuned and with_null is False:
        raise ValueError(
            "eval.null_threshold tuned has no effect with data.version_2_with_negative false"
        )
    if is_tuned and not is_evaluated:
        raise ValueError("eval.null_threshold tuned needs evaluation data; give data.validation")


def check_sweep(
    points: Sequence[object] | None, grid: object | None, seeds: Sequence[int] | None
) -> None:
    """Points or a grid, or seeds alone; no seed twice."""
    if points is not None and grid is not None:
        raise ValueError("sweep.points and sweep.grid are both given; keep one")
    if points is None and grid is None and seeds is None:
        raise ValueError("sweep is empty; give sweep.points, sweep.grid or sweep.seeds")
    if seeds is not None and len(set(seeds)) != len(seeds):
        raise ValueError(f"sweep.seeds is {list(seeds)}; each seed may stand there once")
