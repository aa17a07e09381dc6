"""A question about several contexts, read as if they were one: the best answer over all of them.

Windows are cut from each context for itself. Then the contexts of a question are laid end to end
and its windows moved along, so that whatever decodes the windows of one long context decodes these:
candidates of all contexts compete by score, "no answer" has the smallest null score of all, and
spans of two contexts, which begin at different characters, are never one.

Dims: num_questions; num_pairs: questions with one context each, by question, then by context;
num_tokens: over all windows.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable

MOST_CHARS = 2**31 - 1  # of all contexts of a question: offsets are int32


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        id: unique among the questions asked together.
        question: as written.
        contexts: where the answer may stand, one at least, none of them empty.
    """

    id: str
    question: str
    contexts: tuple[str, ...]

    @property
    def num_chars(self) -> int:
        """Code points of all contexts."""
        return sum(map(len, self.contexts))


class Place(NamedTuple):
    """A span of one of a question's contexts; -1 three times is "no answer".

    Attributes:
        context: which, from 0.
        start: its first character there.
        end: one past its last.
    """

    context: int
    start: int
    end: int


NOWHERE = Place(-1, -1, -1)


@dataclass(frozen=True, eq=False)
class JoinedContexts:
    """Questions, apart for a model to read and joined for its answers to be chosen.

    Attributes:
        pairs: (num_pairs,) a question with one of its contexts.
        examples: (num_questions,) a question with all its contexts end to end.
        question_of: (num_pairs,) int32, each pair's question.
        begins: (num_pairs,) int32, where each pair's context begins in its question's joined one.
    """

    pairs: list[Example]
    examples: list[Example]
    question_of: NDArray[np.int32]
    begins: NDArray[np.int32]

    def join_windows(self, table: FeatureTable) -> FeatureTable:
        """The features of `pairs` as features of `examples`."""
        if len(self.pairs) == len(self.examples):
            return table
        shift = np.repeat(self.begins[table.example_index], table.lengths)  # (num_tokens,)
        shift[table.offset_starts < 0] = 0  # off the context they stay -1
        return replace(
            table,
            offset_starts=table.offset_starts + shift,
            offset_ends=table.offset_ends + shift,
            example_index=self.question_of[table.example_index],
            cut_questions=np.unique(self.question_of[table.cut_questions]),
        )


def join_contexts(questions: Sequence[Question]) -> JoinedContexts:
    """Lay the contexts of each question end to end.

    Raises:
        DataError: those of one question have more than MOST_CHARS characters.
    """
    for question in questions:
        if question.num_chars > MOST_CHARS:
            raise DataError(
                f"question {question.id} has contexts of {question.num_chars:,} characters;"
                f" {MOST_CHARS:,} are allowed"
            )
    counts = [len(question.contexts) for question in questions]
    begins = [begin for question in questions for begin in _begins(question)]
    return JoinedContexts(
        pairs=[_example(asked, text) for asked in questions for text in asked.contexts],
        # One context alone is joined to itself, not to a copy.
        examples=[_example(question, "".join(question.contexts)) for question in questions],
        question_of=np.repeat(np.arange(len(questions), dtype=np.int32), counts),
        begins=np.array(begins, dtype=np.int32),
    )


def locate_span(question: Question, start: int, end: int) -> Place:
    """Which context a span of the joined ones is of, and where it stands in that.

    Args:
        question: as it was joined.
        start: character of the joined contexts; below 0 is "no answer".
        end: one past the last; in the same context as start.
    """
    if start < 0:
        return NOWHERE
    begins = _begins(question)
    number = bisect_right(begins, start) - 1
    return Place(number, start - begins[number], end - begins[number])


def cut_questions(
    questions: Sequence[Question], *, max_questions: int, max_chars: int
) -> Iterator[Sequence[Question]]:
    """Questions in order, as many at a time as both limits allow, and one at least.

    Args:
        questions: any number.
        max_questions: 1 or more.
        max_chars: code points of their contexts; one that several questions share counts for each.
    """
    first = chars = 0
    for number, question in enumerate(questions):
        chars += question.num_chars
        is_full = number - first == max_questions or chars > max_chars
        if is_full and number > first:
            yield questions[first:number]
            first, chars = number, question.num_chars
    if first < len(questions):
        yield questions[first:]


def _begins(question: Question) -> list[int]:
    """Where each context begins in the joined ones."""
    return list(accumulate(map(len, question.contexts[:-1]), initial=0))


def _example(question: Question, context: str) -> Example:
    return Example(question.id, title="", context=context, question=question.question)
