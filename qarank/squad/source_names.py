"""Is a data source a file, and what is it called? Told by its name; nothing is opened."""

import os
from collections.abc import Sequence
from pathlib import Path

PACKED = ".gz"
ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
PATH_STARTS = ("/", "./", "../", "~")


def is_file_name(name: str) -> bool:
    """Whether a source is a file and no name of the hub: by its ending, or written as a path.

    The disk is not asked: what a recipe means must not change with what lies around. What kind of
    file it is, its content says later.
    """
    plain = name.lower().removesuffix(PACKED)
    return plain != name.lower() or plain.endswith(ENDINGS) or name.startswith(PATH_STARTS)


def name_file(path: Path) -> str:
    """A source that is a file, whatever its name."""
    name = str(path)
    return name if is_file_name(name) else f"./{name}"


def expand_path(name: str) -> Path:
    """The path a name stands for; ~ is the home folder."""
    return Path(os.path.expanduser(name))


def file_stem(name: str) -> str:
    """A file's name without its folders and known endings: dev-v2.0 of data/dev-v2.0.json.gz."""
    stem = Path(name).name
    for ending in (PACKED, *ENDINGS):
        if len(stem) > len(ending) and stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
    return stem


def list_made_stems(names: Sequence[str]) -> list[str]:
    """What made ids begin with, file by file: the stem, and a number from the second of a stem on.

    A file that is named twice keeps its own.
    """
    stems: dict[str, str] = {}
    for name in names:
        path = os.path.abspath(expand_path(name))
        stem, number = file_stem(name), 2
        while path not in stems and stem in stems.values():
            stem, number = f"{file_stem(name)}-{number}", number + 1
        stems.setdefault(path, stem)
    return [stems[os.path.abspath(expand_path(name))] for name in names]
