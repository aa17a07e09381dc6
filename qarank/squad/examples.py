"""An example: one question with its context and its gold answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """One question.

    Attributes:
        id: unique in its data set.
        title: the article it comes from; "" where unknown.
        context: the passage.
        question: as written.
        answers: gold answer texts, context[start:start + len(text)] each; empty if unanswerable.
        answer_starts: code point offsets into context, one an answer.
    """

    id: str
    title: str
    context: str
    question: str
    answers: tuple[str, ...] = ()
    answer_starts: tuple[int, ...] = ()

    @property
    def is_impossible(self) -> bool:
        """Whether the passage holds no answer."""
        return not self.answers
