"""Windows of several contexts of one question, moved along to where their context begins."""

import numpy as np
from transformers import PreTrainedTokenizerBase

from qarank.squad.contexts import Question, join_contexts
from qarank.squad.features import build_features

QUESTIONS = [
    Question("a", "Where?", ("In Ulm.", "Near Ulm, they say.", "In Bonn.")),
    Question("b", "Who?", ("The masons.",)),
]


def test_tokens_off_the_context_stay_off_it_and_the_others_are_moved(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    joined = join_contexts(QUESTIONS)
    table = build_features(joined.pairs, tokenizer, max_seq_length=48, doc_stride=8)
    moved = joined.join_windows(table)
    is_context = table.offset_starts >= 0
    assert not is_context.all() and moved.example_index.tolist() == [0, 0, 0, 1]
    assert (moved.offset_starts[~is_context] == -1).all()
    assert (moved.offset_ends[~is_context] == table.offset_ends[~is_context]).all()
    for row, pair in enumerate(table.example_index):
        tokens = np.arange(*table.row_offsets[row : row + 2])
        for token in tokens[is_context[tokens]]:
            was = slice(table.offset_starts[token], table.offset_ends[token])
            now = slice(moved.offset_starts[token], moved.offset_ends[token])
            joined_text = joined.examples[moved.example_index[row]].context
            assert joined_text[now] == joined.pairs[pair].context[was]
