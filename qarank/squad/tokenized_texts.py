"""Each distinct text tokenised once, in large batches, as flat numpy arrays.

Dims: num_texts; num_tokens: over all texts; num_examples.
"""

import copy
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedTokenizerBase

from qarank.errors import ModelError
from qarank.squad.examples import Example
from qarank.squad.ragged import row_offsets_of

TEXTS_PER_CALL = 2000  # bounds what the backend's encodings hold at a time
LAST_SPACE = 0x3000  # no white space of Unicode has a larger code point
THREADS_WANTED = "TOKENIZERS_PARALLELISM"  # tokenizers' own variable
IS_SPACE = np.array([chr(code).isspace() for code in range(LAST_SPACE + 1)] + [False])


@dataclass(frozen=True, eq=False)
class TextIds:
    """Token ids of several texts, end to end.

    Attributes:
        ids: (num_tokens,) int32.
        row_offsets: (num_texts + 1,) int64; text i has tokens row_offsets[i]..row_offsets[i + 1].
    """

    ids: NDArray[np.int32]
    row_offsets: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(num_texts,) tokens of each text."""
        return np.diff(self.row_offsets)


@dataclass(frozen=True, eq=False)
class TokenizedTexts(TextIds):
    """The same with the characters of each token.

    Attributes:
        starts: (num_tokens,) int32 code points into the token's own text, white space trimmed.
        ends: (num_tokens,) int32; never before starts, equal to it for a token of white space.
    """

    starts: NDArray[np.int32]
    ends: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class ExampleTexts:
    """Both sides of all examples, each distinct text tokenised once.

    Attributes:
        questions: the distinct questions, white space before them removed.
        contexts: the distinct contexts.
        question_of: (num_examples,) number of each example's question.
        context_of: (num_examples,) number of each example's context.
        context_chars: (num_contexts,) code points of each context.
    """

    questions: TextIds
    contexts: TokenizedTexts
    question_of: NDArray[np.int64]
    context_of: NDArray[np.int64]
    context_chars: NDArray[np.int64]


def _tokenize_alone() -> None:
    """In a forked process: the threads its parent tokenised with are not there to wait for.

    By itself tokenizers sees to that unless the variable says true; then it waits for ever.
    """
    os.environ[THREADS_WANTED] = "false"


if hasattr(os, "register_at_fork"):  # where there is no fork, there is nothing to see to
    os.register_at_fork(after_in_child=_tokenize_alone)


def copy_backend(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """A copy of the fast tokenizer that neither cuts nor pads, whatever its file says.

    Raises:
        ModelError: the tokenizer is slow, so it gives no offsets.
    """
    if not getattr(tokenizer, "is_fast", False):
        name = type(tokenizer).__name__
        raise ModelError(
            f"{name} is a slow tokenizer: it gives no offsets; qarank needs a fast one (tokenizers)"
        )
    backend: Tokenizer = copy.deepcopy(tokenizer.backend_tokenizer)
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = bool(getattr(tokenizer, "split_special_tokens", False))
    return backend


def number_distinct(texts: Iterable[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct texts by first appearance, and for every text its number among them."""
    numbers: dict[str, int] = {}
    index = [numbers.setdefault(text, len(numbers)) for text in texts]
    return list(numbers), np.array(index, dtype=np.int64)


def tokenize_examples(examples: Sequence[Example], backend: Tokenizer) -> ExampleTexts:
    """Tokenise every distinct question and context of the examples."""
    # White space before a question is its writer's slip; it could eat a window's room (run_qa).
    questions, question_of = number_distinct(example.question.lstrip() for example in examples)
    contexts, context_of = number_distinct(example.context for example in examples)
    return ExampleTexts(
        questions=tokenize_ids(backend, questions),
        contexts=tokenize_texts(backend, contexts),
        question_of=question_of,
        context_of=context_of,
        context_chars=np.array([len(text) for text in contexts], dtype=np.int64),
    )


def tokenize_ids(backend: Tokenizer, texts: Sequence[str]) -> TextIds:
    """Tokenise without special tokens; where no offsets are needed, this takes a fifth less."""
    parts = [
        _join_ids(backend.encode_batch_fast(some, add_special_tokens=False)) for some in _cut(texts)
    ]
    return TextIds(*_end_to_end(parts))


def tokenize_texts(backend: Tokenizer, texts: Sequence[str]) -> TokenizedTexts:
    """Tokenise without special tokens, offsets trimmed of white space at both ends."""
    parts = [_tokenize_some(backend, some) for some in _cut(texts)]
    return TokenizedTexts(
        *_end_to_end(parts),
        starts=np.concatenate([part.starts for part in parts]),
        ends=np.concatenate([part.ends for part in parts]),
    )


def _cut(texts: Sequence[str]) -> list[list[str]]:
    """One part at least, if an empty one."""
    begins = range(0, max(1, len(texts)), TEXTS_PER_CALL)
    return [list(texts[begin : begin + TEXTS_PER_CALL]) for begin in begins]


def _end_to_end(parts: Sequence[TextIds]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Ids and row offsets of all parts."""
    lengths = np.concatenate([part.lengths for part in parts])
    return np.concatenate([part.ids for part in parts]), row_offsets_of(lengths)


def _join_ids(encodings: Sequence[Encoding]) -> TextIds:
    rows = [encoding.ids for encoding in encodings]
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    row_offsets = row_offsets_of(lengths)
    ids = np.fromiter(chain.from_iterable(rows), np.int32, int(row_offsets[-1]))
    return TextIds(ids, row_offsets)


def _tokenize_some(backend: Tokenizer, texts: list[str]) -> TokenizedTexts:
    encodings: list[Encoding] = backend.encode_batch(texts, add_special_tokens=False)
    found = _join_ids(encodings)
    pairs = chain.from_iterable(encoding.offsets for encoding in encodings)
    offsets = np.fromiter(chain.from_iterable(pairs), np.int32, 2 * len(found.ids)).reshape(-1, 2)
    starts, ends = trim_white_space(texts, found.lengths, offsets[:, 0], offsets[:, 1])
    return TokenizedTexts(found.ids, found.row_offsets, starts, ends)


def trim_white_space(
    texts: Sequence[str],
    lengths: NDArray[np.int64],
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Move each token's offsets past the white space at its ends.

    SentencePiece counts the space before a word as part of it; answers must not.

    Args:
        texts: (num_texts,) the texts themselves.
        lengths: (num_texts,) tokens of each text.
        starts: (num_tokens,) code points into the token's own text.
        ends: (num_tokens,) likewise, the first one after the token.

    Returns:
        starts and ends, each (num_tokens,) int32; a token of white space becomes empty.
    """
    joined = "\0".join([*texts, ""])  # NUL is no white space: no trimming beyond a text's own end
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    is_space = IS_SPACE[np.minimum(codes, LAST_SPACE + 1)]  # (all chars,)
    text_at = row_offsets_of(np.array([len(text) + 1 for text in texts], dtype=np.int64))
    base = np.repeat(text_at[:-1], lengths)  # (num_tokens,)
    first, last = starts + base, ends + base
    if not (is_space[first].any() or is_space[last - 1].any()):  # as with WordPiece
        return starts, ends
    place = np.arange(len(codes) + 1)
    after = np.append(np.where(is_space, len(codes), place[:-1]), len(codes))
    next_kept = np.minimum.accumulate(after[::-1])[::-1]  # first kept char at or after here
    before = np.append(0, np.where(is_space, 0, place[1:]))
    last_kept = np.maximum.accumulate(before)  # end of the last kept char before here
    new_first = np.minimum(next_kept[first], last)
    new_last = np.maximum(last_kept[last], new_first)
    return (new_first - base).astype(np.int32), (new_last - base).astype(np.int32)
