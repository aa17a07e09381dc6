"""Whose names a file's columns have: SQuAD's own, or others that data.columns maps them to."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from qarank.errors import DataError

NEEDED = ("question", "context")
CONTEXTS = "contexts"  # a list in place of the one, where questions have no gold answers
OURS = (
    "id",
    *NEEDED,
    "answers",
    "answer_text",
    "answer_start",
    "is_impossible",
    "title",
)
# As datasets' flatten() and pandas' json_normalize() name what lies in `answers`.
FLATTENED = {"answer_text": "answers.text", "answer_start": "answers.answer_start"}


@dataclass(frozen=True)
class Columns:
    """Which column of theirs each of ours is.

    Attributes:
        mapping: ours -> theirs; one that is left out has its usual name.
        where_there: pass over the mapping for a file that has none of its names.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    where_there: bool = False

    @property
    def must_map(self) -> bool:
        """Whether there is a mapping that may not go unused."""
        return bool(self.mapping) and not self.where_there

    def find(self, keys: Collection[str], where: str) -> dict[str, str]:
        """Ours -> theirs, for a record or a header with these keys.

        Raises:
            DataError: a mapped column is not there.
        """
        mapping = self._mapping_for(keys)
        for ours, theirs in mapping.items():
            if theirs not in keys:
                raise DataError(
                    f"{where} has no column {theirs}, which data.columns.{ours} names;"
                    f" it has {', '.join(keys)}"
                )
        free = set(keys) - set(mapping.values())
        found = {ours: ours for ours in OURS if ours in free}
        found |= {ours: name for ours, name in FLATTENED.items() if name in free}
        found |= mapping
        if "answers" in found and not {"answer_text", "answer_start"} & mapping.keys():
            found.pop("answer_text", None)  # one column says it all
            found.pop("answer_start", None)
        elif "answers" not in mapping and "answer_text" in found:
            found.pop("answers", None)
        return found

    def looks_like_record(self, keys: Collection[str]) -> bool:
        """Whether an object with these keys can be a record rather than a whole file's."""
        return any(self.mapping.get(ours, ours) in keys or ours in keys for ours in NEEDED)

    def _mapping_for(self, keys: Collection[str]) -> Mapping[str, str]:
        if self.where_there and not set(keys) & set(self.mapping.values()):
            return {}
        return self.mapping


USUAL = Columns()


def check_header(header: Collection[str], columns: Columns, name: str, *, labelled: bool) -> None:
    """Refuse a header that lacks a column every record needs.

    Args:
        header: names of the columns.
        columns: which is which.
        name: of the file, for the message.
        labelled: gold answers are needed too.

    Raises:
        DataError: one is missing.
    """
    found = columns.find(header, name)
    missing = [ours for ours in NEEDED if ours not in found]
    if not labelled and CONTEXTS in header:
        missing = [ours for ours in missing if ours != "context"]
    if labelled and not {"answers", "answer_text"} & found.keys():
        missing.append("answers (or answer_text)")
    if missing:
        raise DataError(
            f"{name} has no column {', '.join(missing)}; it has {', '.join(header)};"
            " name yours with data.columns"
        )
