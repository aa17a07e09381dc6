"""Where a tokenizer puts its special tokens around a pair of texts, found by encoding one pair.

BERT: [CLS] q [SEP] c [SEP]; RoBERTa: <s> q </s></s> c </s>; XLNet, which pads on the left:
c <sep> q <sep> <cls>. The context comes first where padding is on the left, as in run_qa.
"""

from dataclasses import dataclass

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from qarank.errors import ModelError

PROBES = ("a", "the", "0", "?")
FIRST, SECOND = 0, 1  # tokenizers' numbers for the two texts of a pair


@dataclass(frozen=True)
class Special:
    """A special token: its id and its token type."""

    id: int
    type_id: int


@dataclass(frozen=True)
class PairTemplate:
    """The special tokens of a pair and the order of its texts.

    Attributes:
        gaps: special tokens before the first text, between the two, and after the second.
        question_type: token type of the question's tokens.
        context_type: token type of the context's tokens.
        context_first: whether the context is the pair's first text.
        cls_place: (gap, place in that gap) of the token that stands for "no answer"; None where
            the family has none: the first token stands for it then.
    """

    gaps: tuple[tuple[Special, ...], tuple[Special, ...], tuple[Special, ...]]
    question_type: int
    context_type: int
    context_first: bool
    cls_place: tuple[int, int] | None

    @property
    def num_special(self) -> int:
        """Special tokens of one pair."""
        return sum(len(gap) for gap in self.gaps)


def read_pair_template(tokenizer: PreTrainedTokenizerBase, backend: Tokenizer) -> PairTemplate:
    """Encode one pair and read off what stands around the two texts.

    Args:
        tokenizer: says which side is padded, and which ids mean "no answer".
        backend: its backend, with truncation and padding off.

    Raises:
        ModelError: no probe yields a token, or the texts are not kept apart and in order.
    """
    encoding = next(
        (
            pair
            for probe in PROBES
            if (pair := backend.encode(probe, probe)) and _holds_both(pair.sequence_ids)
        ),
        None,
    )
    if encoding is None:
        raise ModelError(f"{type(tokenizer).__name__} gives no tokens for the texts {PROBES}")
    specials: tuple[list[Special], list[Special], list[Special]] = ([], [], [])
    types = {FIRST: 0, SECOND: 0}
    gap = 0
    for token, type_id, text in zip(
        encoding.ids, encoding.type_ids, encoding.sequence_ids, strict=True
    ):
        if text is None:
            specials[gap].append(Special(token, type_id))
        else:
            gap, types[text] = text + 1, type_id
    gaps = (tuple(specials[0]), tuple(specials[1]), tuple(specials[2]))
    context_first = tokenizer.padding_side == "left"
    return PairTemplate(
        gaps=gaps,
        question_type=types[SECOND if context_first else FIRST],
        context_type=types[FIRST if context_first else SECOND],
        context_first=context_first,
        cls_place=_find_cls(gaps, (tokenizer.cls_token_id, tokenizer.bos_token_id)),
    )


def _holds_both(sequence_ids: list[int | None]) -> bool:
    kept = [text for text in sequence_ids if text is not None]
    return {FIRST, SECOND} <= set(kept) and kept == sorted(kept)


def _find_cls(
    gaps: tuple[tuple[Special, ...], ...], ids: tuple[int | None, ...]
) -> tuple[int, int] | None:
    for wanted in ids:
        for number, gap in enumerate(gaps):
            for place, special in enumerate(gap):
                if special.id == wanted:
                    return number, place
    return None
