import copy
from collections.abc import Callable

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from qarank.errors import ModelError
from qarank.squad.pair_template import PairTemplate, read_pair_template
from qarank.squad.tokenized_texts import copy_backend

MakeTokenizer = Callable[[str], PreTrainedTokenizerBase]


def read(tokenizer: PreTrainedTokenizerBase) -> PairTemplate:
    return read_pair_template(tokenizer, copy_backend(tokenizer))


LAYOUTS = [
    ("bert", [["[CLS]"], ["[SEP]"], ["[SEP]"]], [0, 0, 1], (0, 1), (0, 0)),
    ("electra", [["[CLS]"], ["[SEP]"], ["[SEP]"]], [0, 0, 1], (0, 1), (0, 0)),
    ("deberta", [["[CLS]"], ["[SEP]"], ["[SEP]"]], [0, 0, 1], (0, 1), (0, 0)),
    ("roberta", [["<s>"], ["</s>", "</s>"], ["</s>"]], [0, 0, 0, 0], (0, 0), (0, 0)),
    ("xlnet", [[], ["<sep>"], ["<sep>", "<cls>"]], [0, 1, 2], (1, 0), (2, 1)),
    ("t5", [[], ["</s>"], ["</s>"]], [0, 0], (0, 0), None),
]


@pytest.mark.parametrize(("family", "tokens", "types", "text_types", "cls_place"), LAYOUTS)
def test_the_template_of_each_family_is_read_off(
    make_tokenizer: MakeTokenizer,
    family: str,
    tokens: list[list[str]],
    types: list[int],
    text_types: tuple[int, int],
    cls_place: tuple[int, int] | None,
) -> None:
    tokenizer = make_tokenizer(family)
    template = read(tokenizer)
    ids = [[special.id for special in gap] for gap in template.gaps]
    assert [tokenizer.convert_ids_to_tokens(gap) for gap in ids] == tokens
    assert [special.type_id for gap in template.gaps for special in gap] == types
    assert (template.question_type, template.context_type) == text_types
    assert template.cls_place == cls_place
    assert template.num_special == len(types)


def test_padding_on_the_left_puts_the_context_first(bert: PreTrainedTokenizerBase) -> None:
    on_left = copy.deepcopy(bert)
    on_left.padding_side = "left"
    assert not read(bert).context_first
    template = read(on_left)
    assert template.context_first
    assert (template.question_type, template.context_type) == (1, 0)


def test_a_tokenizer_that_gives_no_tokens_is_refused() -> None:
    empty = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
    with pytest.raises(ModelError, match="gives no tokens for the texts"):
        read(empty)
