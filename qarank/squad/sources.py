"""Where examples come from: files of any known kind, data sets of the hub, the shipped sample."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from qarank.errors import DataError
from qarank.squad.columns import USUAL, Columns
from qarank.squad.examples import Example
from qarank.squad.hub_dataset import read_hub_rows, require_hub_dataset
from qarank.squad.loaded_data import Fault, LoadedData, Notes
from qarank.squad.record_file import read_rows
from qarank.squad.record_reader import Read, RecordReader
from qarank.squad.rows import ACCEPTED
from qarank.squad.sample import almanac
from qarank.squad.source_names import expand_path, is_file_name
from qarank.squad.text_file import require_file

SAMPLE_PREFIX = "sample:"
SAMPLES: Mapping[str, Callable[..., list[Example]]] = {"almanac": almanac}


def load_examples(
    source: str | Sequence[str],
    split: str,
    *,
    columns: Columns = USUAL,
    limit: int | None = None,
    seed: int | None = None,
) -> list[Example]:
    """Every example of a source, checked; args and errors as `load_data`."""
    return load_data(source, split, columns=columns, limit=limit, seed=seed).examples


def load_data(
    source: str | Sequence[str],
    split: str,
    *,
    columns: Columns = USUAL,
    limit: int | None = None,
    seed: int | None = None,
    keep_faults: bool = False,
) -> LoadedData:
    """Every example of a source, checked, with where each is from and what was put right.

    Args:
        source: "sample:almanac"; a file, or several, each JSON (SQuAD's nested form, or records),
            JSON lines, CSV, TSV or Parquet, plain or gzip; or the name of a data set of the hub.
        split: train or validation; files have none.
        columns: whose names the columns of records have; SQuAD's nested form has its own, and where
            all that is trained on has them, a mapping is a mistake.
        limit: keep that many examples; None keeps all.
        seed: draw them at random, in data order; None keeps the first ones.
        keep_faults: leave out records that are wrong, and note them, instead of ending at the
            first.

    Returns:
        Examples in the order of the data, ids unique.

    Raises:
        DataError: a file or a record is wrong; the line says which.
        HubError: the source is no file, and the hub does not give it.
    """
    names = [source] if isinstance(source, str) else list(source)
    if not names:
        raise DataError("no data source is named; name a file, a hub data set or sample:almanac")
    notes = Notes()
    examples: list[Example] = []
    files: list[str] = []
    places: dict[str, str] = {}
    for name in names:
        for where, read in _read_source(name, split, columns, notes):
            found = _refuse_double(read, where, places, name)
            if isinstance(found, Fault):
                if not keep_faults:
                    raise DataError(found.line)
                notes.faults.append(found)
                continue
            places[found.id] = where
            examples.append(found)
            files.append(name)
    if notes.faults and not examples:
        raise DataError(notes.faults[0].line)
    data = LoadedData(
        examples, files, notes.faults, notes.mended, notes.unnamed, is_mapped=notes.is_mapped
    )
    return pick_data(data, limit=limit, seed=seed)


def pick_data(data: LoadedData, *, limit: int | None, seed: int | None) -> LoadedData:
    """The first limit examples, or with a seed a random choice of them in data order.

    Raises:
        DataError: limit is below 1.
    """
    places = _pick_places(len(data.examples), limit=limit, seed=seed)
    if len(places) == len(data.examples):
        return data
    examples = [data.examples[place] for place in places]
    kept = {example.id for example in examples}
    return replace(
        data,
        examples=examples,
        files=[data.files[place] for place in places],
        mended=[mended for mended in data.mended if mended.id in kept],
    )


def check_source(source: str | Sequence[str], split: str) -> None:
    """Raise, before anything is read, where a file is missing or a hub name is out of reach.

    Raises:
        DataError: no such file.
        HubError: a hub name that cannot be reached and is not cached.
    """
    for name in [source] if isinstance(source, str) else source:
        if name.startswith(SAMPLE_PREFIX):
            continue
        if is_file_name(name):
            require_file(expand_path(name))
        else:
            _require_no_file(name)
            require_hub_dataset(name, split)


def _pick_places(number: int, *, limit: int | None, seed: int | None) -> Sequence[int]:
    if limit is None or limit >= number:
        return range(number)
    if limit < 1:
        raise DataError(f"{limit} examples were asked for; it must be at least 1")
    if seed is None:
        return range(limit)
    return sorted(random.Random(seed).sample(range(number), limit))


def _read_source(name: str, split: str, columns: Columns, notes: Notes) -> Iterator[Read]:
    """An example or a fault for each question of one source."""
    if name.startswith(SAMPLE_PREFIX):
        yield from _read_sample(name, split)
        return
    if is_file_name(name):
        rows = read_rows(expand_path(name), columns, labelled=True)
        empty = f"{name} holds no questions; accepted is {ACCEPTED[True]}"
    else:
        _require_no_file(name)
        rows = read_hub_rows(name, split, columns)
        empty = f"{name} holds no questions in its split {split}"
    is_empty = True
    for read in RecordReader(name, columns, notes).read(rows):
        is_empty = False
        yield read
    if is_empty:
        raise DataError(empty)


def _require_no_file(name: str) -> None:
    if expand_path(name).is_file():
        raise DataError(
            f"{name} is a file here, but could be a data set of the hub: write ./{name}"
        )


def _read_sample(name: str, split: str) -> Iterator[Read]:
    build = SAMPLES.get(name.removeprefix(SAMPLE_PREFIX))
    if build is None:
        known = ", ".join(SAMPLE_PREFIX + sample for sample in SAMPLES)
        raise DataError(f"there is no {name}; the samples are {known}")
    if split not in ("train", "validation"):
        raise DataError(f"{name} has no split {split}; it has train and validation")
    for example in build(split):
        yield f"{name}: {split}", example


def _refuse_double(
    read: Example | Fault, where: str, places: Mapping[str, str], file: str
) -> Example | Fault:
    if isinstance(read, Fault) or read.id not in places:
        return read
    line = f"{where} has the id {read.id}, as has {places[read.id]}"
    return Fault("duplicate_ids", line, file, read.id)
