"""What is odd in a part of the data, finding by finding: answers, labels, questions, overlap.

Every finder gives the places of the examples it found, each perhaps with a remark.
Dims: num_examples; num_features.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qarank.squad.audit_lengths import find_labelled
from qarank.squad.examples import Example
from qarank.squad.feature_assembly import first_answer_span
from qarank.squad.feature_table import FeatureTable
from qarank.squad.record_fields import shorten
from qarank.squad.tokenized_texts import number_distinct

Found = Iterable[tuple[int, str]]  # place among the examples, and a remark or ""
Label = tuple[tuple[str, ...], tuple[int, ...]]  # texts and starts of gold answers


def find_unreachable(examples: Sequence[Example], table: FeatureTable) -> Found:
    """Examples whose first gold answer no window holds whole: they train as unanswerable."""
    holds = np.zeros(len(examples), dtype=bool)
    holds[table.example_index[find_labelled(table)]] = True
    answerable = np.array([bool(example.answers) for example in examples])
    return [(place, "") for place in np.flatnonzero(answerable & ~holds).tolist()]


def find_cut_answers(examples: Sequence[Example], table: FeatureTable) -> Iterator[tuple[int, str]]:
    """Examples whose first gold answer begins or ends inside a token.

    Then the best a model can answer is more than the gold answer.
    """
    labelled = find_labelled(table)
    places = table.example_index[labelled].astype(np.int64)
    starts, ends = label_spans(table, labelled)
    gold = np.array([first_answer_span(examples[place]) for place in places]).reshape(-1, 2)
    for number in np.flatnonzero((starts != gold[:, 0]) | (ends != gold[:, 1])).tolist():
        example = examples[places[number]]
        held = example.context[starts[number] : ends[number]]
        yield int(places[number]), f"{shorten(example.answers[0])} is tokens of {shorten(held)}"


def label_spans(
    table: FeatureTable, labelled: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(num_labelled,) each: first code point of the label's tokens, and the one after them."""
    row = table.row_offsets[labelled]
    return (
        table.offset_starts[row + table.start_positions[labelled]],
        table.offset_ends[row + table.end_positions[labelled]],
    )


def find_contradictions(examples: Sequence[Example]) -> Iterator[tuple[int, str]]:
    """Examples that ask one question of one context, and are labelled otherwise.

    One says "no answer" and another not; or their gold answers share neither a text, white space
    and case aside, nor a character of the context.
    """
    _, context_of = number_distinct(example.context for example in examples)
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for place, (context, example) in enumerate(zip(context_of.tolist(), examples, strict=True)):
        groups[context, example.question.strip()].append(place)
    for group in groups.values():
        yield from _find_disputed(examples, group) if len(group) > 1 else ()


def _find_disputed(examples: Sequence[Example], group: list[int]) -> Iterator[tuple[int, str]]:
    """Those of a group that another of it contradicts, with the first other that does.

    Equal labels contradict the same others, so that each is compared once, however often it stands.
    """
    firsts: dict[Label, int] = {}
    for place in group:
        firsts.setdefault(_label(examples[place]), place)
    against: dict[Label, int | None] = {
        label: next((o for o in firsts.values() if _contradict(examples[place], examples[o])), None)
        for label, place in firsts.items()
    }
    for place in group:
        other = against[_label(examples[place])]
        if other is not None:
            yield place, f"labelled otherwise than {examples[other].id}"


def _label(example: Example) -> Label:
    return example.answers, example.answer_starts


def find_empty_questions(examples: Sequence[Example]) -> Found:
    """Examples that ask nothing."""
    return [(place, "") for place, each in enumerate(examples) if not each.question.strip()]


def find_shared_contexts(train: Sequence[Example], validation: Sequence[Example]) -> Found:
    """Places in validation whose context, white space and case aside, is in train too."""
    known = {fold(context) for context in {example.context for example in train}}
    contexts, context_of = number_distinct(example.context for example in validation)
    shared = np.array([fold(context) in known for context in contexts], dtype=bool)
    return [(place, "") for place in np.flatnonzero(shared[context_of]).tolist()]


def find_shared_ids(train: Sequence[Example], validation: Sequence[Example]) -> Found:
    """Places in validation whose id is in train too."""
    known = {example.id for example in train}
    return [(place, "") for place, example in enumerate(validation) if example.id in known]


def fold(text: str) -> str:
    """A text without what white space and case add to it."""
    return " ".join(text.lower().split())


def _contradict(one: Example, other: Example) -> bool:
    if one.is_impossible or other.is_impossible:
        return one.is_impossible != other.is_impossible
    if {fold(text) for text in one.answers} & {fold(text) for text in other.answers}:
        return False
    return not any(
        start < other_start + len(other_text) and other_start < start + len(text)
        for text, start in zip(one.answers, one.answer_starts, strict=True)
        for other_text, other_start in zip(other.answers, other.answer_starts, strict=True)
    )
