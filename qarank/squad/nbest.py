"""The n-best lists of all examples as columns; made into lists, or into JSON text in one go.

A quarter of a million candidates are many Python objects: the file is rendered column by column.

Dims: rows: candidates, best first within an example, examples in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qarank.squad.candidates import Candidates, Floats
from qarank.squad.examples import Example


class Candidate(TypedDict):
    """An entry of an n-best list, in characters; "no answer" has text "" and start = end = -1."""

    text: str
    probability: float
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class NBest:
    """The candidates of all examples.

    Attributes:
        examples: in order.
        rows: their candidates; each example has one at least.
        probability: (rows,) a softmax over each example's.
    """

    examples: Sequence[Example]
    rows: Candidates
    probability: Floats

    def to_lists(self) -> dict[str, list[Candidate]]:
        """Id -> candidates, best first."""
        lists: list[list[Candidate]] = [[] for _ in self.examples]
        rows = self.rows
        columns = (rows.example, self.probability, rows.start, rows.end, rows.score)
        texts = self._slice_texts()
        numbers = zip(*(column.tolist() for column in columns), strict=True)
        for text, (index, chance, start, end, score) in zip(texts, numbers, strict=True):
            lists[index].append(
                {"text": text, "probability": chance, "start": start, "end": end, "score": score}
            )
        return {example.id: found for example, found in zip(self.examples, lists, strict=True)}

    def to_json(self) -> bytes:
        """The lists as UTF-8, as json.dumps(..., ensure_ascii=False) has them.

        Numbers may be written otherwise, 1e-7 for 1e-07, and read back as the same.
        """
        if not self.examples:
            return b"{}"
        rows = self.rows
        is_first = np.append(True, rows.example[1:] != rows.example[:-1])
        ids = [f"], {encode_basestring(example.id)}: [" for example in self.examples]
        ids[0] = ids[0].removeprefix("], ")
        heads = pa.array([*ids, ", "], pa.large_string())  # the last one before any other row
        entries = _join(
            heads.take(pa.array(np.where(is_first, rows.example, len(ids)))),
            '{"text": ',
            pa.array(map(encode_basestring, self._slice_texts()), pa.large_string()),
            ', "probability": ',
            _render_floats(self.probability),
            ', "start": ',
            _render_integers(rows.start),
            ', "end": ',
            _render_integers(rows.end),
            ', "score": ',
            _render_floats(rows.score),
            "}",
        )
        _, _, characters = entries.buffers()  # of all rows, end to end: the text itself
        return b"".join((b"{", characters, b"]}"))

    def _slice_texts(self) -> list[str]:
        """(rows,) each candidate's text."""
        rows = self.rows
        columns = (rows.example.tolist(), rows.start.tolist(), rows.end.tolist())
        contexts = [example.context for example in self.examples]
        # -1 twice is "no answer", and a slice of nothing.
        return [contexts[index][start:end] for index, start, end in zip(*columns, strict=True)]


def _join(*parts: Any) -> Any:
    """Columns and constants side by side, row by row."""
    text = pa.large_string()
    columns = [pa.scalar(part, text) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*columns, pa.scalar("", text))


def _render_integers(values: Any) -> Any:
    return pc.cast(pa.array(values), pa.large_string())


def _render_floats(values: Floats) -> Any:
    """Shortest digits that read back as the same number, and as a number with a point."""
    texts = pc.cast(pa.array(values), pa.large_string())
    return pc.if_else(pc.match_substring_regex(texts, "[.e]"), texts, _join(texts, ".0"))
