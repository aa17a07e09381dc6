"""What came of reading a data source: its examples, and all that was noticed on the way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from qarank.squad.answers import Change
from qarank.squad.examples import Example
from qarank.squad.source_names import file_stem, list_made_stems

FaultKind = Literal[
    "bad_records",
    "duplicate_ids",
    "empty_contexts",
    "misaligned_answers",
    "impossible_against_answers",
]


@dataclass(frozen=True)
class Fault:
    """A record that cannot be an example.

    Attributes:
        kind: of the fault.
        line: the whole sentence: file, place, id and reason.
        file: it stands in.
        id: of the record, "" where it has none.
    """

    kind: FaultKind
    line: str
    file: str
    id: str = ""


@dataclass(frozen=True)
class Mended:
    """An answer that was not where it said, or said nothing, and could stand in one place only.

    Attributes:
        id: of its question.
        file: it stands in.
        change: what was done.
        line: from what to what.
    """

    id: str
    file: str
    change: Change
    line: str


@dataclass
class Notes:
    """Gathered while reading.

    Attributes:
        faults: records left out.
        mended: answers put right, in reading order.
        unnamed: files without ids; theirs were made.
        is_mapped: there was a record whose keys data.columns may name.
    """

    faults: list[Fault] = field(default_factory=list)
    mended: list[Mended] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    is_mapped: bool = False


@dataclass(frozen=True)
class LoadedData:
    """Examples with what is known about them.

    Attributes:
        examples: (num_examples,) in the order of the data, ids unique.
        files: (num_examples,) the file, or data set and split, each comes from.
        faults: records left out; none where the first one ended the reading.
        mended: answers put right, of the examples that were kept.
        unnamed: files without ids; theirs were made of the file's name and a number, as
            `list_made_stems` says.
        is_mapped: there was a record whose keys data.columns may name.
    """

    examples: list[Example]
    files: list[str]
    faults: Sequence[Fault] = ()
    mended: Sequence[Mended] = ()
    unnamed: Sequence[str] = ()
    is_mapped: bool = False


def list_notes(data: LoadedData) -> list[str]:
    """A line for each thing done to the data that its owner should know of."""
    lines = [
        f"{name} has no ids: each is {_name_stem(stem, name)} and a number, from 0"
        for name, stem in zip(data.unnamed, list_made_stems(data.unnamed), strict=True)
    ]
    placed = sum(mended.change == "placed" for mended in data.mended)
    if placed:
        lines.append(f"answers without an answer_start, found since they occur once: {placed:,}")
    others = [mended for mended in data.mended if mended.change != "placed"]
    if others:
        lines.append(
            f"answers that were not where they said, put right: {len(others):,}, the first in"
            f" {others[0].file} (id {others[0].id}): {others[0].line}"
        )
    return lines


def _name_stem(stem: str, name: str) -> str:
    return "the file's name" if stem == file_stem(name) else f"{stem}, as another has its name,"
