"""SQuAD-shaped data sets of the hub, or of its local cache where the hub cannot be reached."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import datasets
import datasets.packaged_modules

from qarank.errors import DataError, HubError
from qarank.hub import is_hub_reachable
from qarank.squad.examples import Example
from qarank.squad.questions import read_field, read_question, read_text

COLUMNS = ("id", "context", "question", "answers")
ROWS_PER_READ = 1000
# To datasets these names mean "whatever such files lie here", not a data set.
FILE_READERS = frozenset(getattr(datasets.packaged_modules, "_PACKAGED_DATASETS_MODULES", ()))


def read_hub_dataset(name: str, split: str) -> list[tuple[str, Example]]:
    """All questions of a split in its order, each with its place.

    Args:
        name: as datasets.load_dataset takes it: squad, squad_v2, owner/name.
        split: of the data set: train, validation.

    Raises:
        HubError: the hub cannot be reached and the cache does not hold it, or the hub refuses it.
        DataError: its columns are not SQuAD's, or one of its rows is wrong.
    """
    if name in FILE_READERS:
        raise DataError(f"{name} is a kind of file and no data set; name the file itself")
    table = _load(name, split)
    missing = [column for column in COLUMNS if column not in table.column_names]
    if missing:
        raise DataError(
            f"{name} is not SQuAD: it has no column {', '.join(missing)};"
            f" it has {', '.join(table.column_names)}"
        )
    rows = [row for batch in table.iter(ROWS_PER_READ) for row in _rows_of(batch)]
    if not rows:
        raise DataError(f"{name} holds no questions in its split {split}")
    return [_read_row(row, f"{name}: {split}[{number}]") for number, row in enumerate(rows)]


def require_hub_dataset(name: str, split: str) -> None:
    """Raise what read_hub_dataset would where the data set is out of reach; reads no row."""
    if not is_hub_reachable():
        _load_cached(name, split)


def _load(name: str, split: str) -> Any:
    if is_hub_reachable():
        try:
            return datasets.load_dataset(name, split=split)
        except Exception as error:  # the boundary: hub libraries raise what they like
            raise HubError(f"{name} cannot be had from the hub ({_first_line(error)})") from error
    return _load_cached(name, split)


def _load_cached(name: str, split: str) -> Any:
    try:
        with _kept_offline():
            return datasets.load_dataset(name, split=split)
    except ValueError as error:  # cached, but not this split
        raise HubError(f"{name} cannot be had from the cache ({_first_line(error)})") from error
    except Exception as error:
        raise HubError(
            f"{name} is not a file, and the hub cannot be reached: download the official JSON and"
            " name it as data.train / data.validation, or set HF_HOME to a cache that holds it"
        ) from error


@contextmanager
def _kept_offline() -> Iterator[None]:
    """Let datasets look into its cache only; it reads the environment once, on import."""
    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _rows_of(batch: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    names = list(batch)
    for values in zip(*batch.values(), strict=True):
        yield dict(zip(names, values, strict=True))


def _read_row(row: dict[str, Any], where: str) -> tuple[str, Example]:
    context = read_text(row, "context", where)
    if not context.strip():
        raise DataError(f"{where}.context is empty; every question needs a passage")
    title = row.get("title") or ""
    columns = row["answers"]  # {"text": [...], "answer_start": [...]}
    texts = read_field(columns, "text", list, f"{where}.answers")
    starts = read_field(columns, "answer_start", list, f"{where}.answers")
    if len(texts) != len(starts):
        raise DataError(f"{where}.answers has {len(texts)} texts and {len(starts)} starts")
    pairs = zip(texts, starts, strict=True)
    answers = [{"text": text, "answer_start": start} for text, start in pairs]
    question = {"id": row["id"], "question": row["question"], "answers": answers}
    return where, read_question(question, title=title, context=context, where=where)
