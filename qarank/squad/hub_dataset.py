"""SQuAD-shaped data sets of the hub, or of its local cache where the hub cannot be reached."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import datasets
import datasets.packaged_modules

from qarank.errors import DataError, HubError
from qarank.hub import is_hub_reachable
from qarank.squad.columns import Columns, check_header
from qarank.squad.rows import Row

ROWS_PER_READ = 1000
# To datasets these names mean "whatever such files lie here", not a data set.
FILE_READERS = frozenset(getattr(datasets.packaged_modules, "_PACKAGED_DATASETS_MODULES", ()))


def read_hub_rows(name: str, split: str, columns: Columns) -> Iterator[Row]:
    """All rows of a split in its order, a batch at a time.

    Args:
        name: as datasets.load_dataset takes it: squad, squad_v2, owner/name.
        split: of the data set: train, validation.
        columns: which column is which.

    Raises:
        HubError: the hub cannot be reached and the cache does not hold it, or the hub refuses it.
        DataError: its columns are not those needed.
    """
    if name in FILE_READERS:
        raise DataError(f"{name} is a kind of file and no data set; name the file itself")
    table = _load(name, split)
    check_header(table.column_names, columns, name, labelled=True)
    number = 0
    for batch in table.iter(ROWS_PER_READ):
        names = list(batch)
        for values in zip(*batch.values(), strict=True):
            record = dict(zip(names, values, strict=True))
            yield Row(f"{name}: {split}[{number}]", record, "flat")
            number += 1


def require_hub_dataset(name: str, split: str) -> None:
    """Raise what read_hub_rows would where the data set is out of reach; reads no row."""
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
