"""Which linears are adapted: the original's words, suffixes or a regular expression -> full paths.

Source of the words: AdaLoRA's question-answering README, `--lora_module`. There they are substring
tests inside each model's code; here each is a pattern for the end of a module path.
"""

import re
from collections.abc import Sequence

from qarank.errors import AdapterError

WORDS = ("query", "key", "value", "intermediate", "layer.output", "attention.output")

_BERT = {
    "query": r"attention\.self\.query",
    "key": r"attention\.self\.key",
    "value": r"attention\.self\.value",
    "attention.output": r"attention\.output\.dense",
    "intermediate": r"intermediate\.dense",
    "layer.output": r"layer\.\d+\.output\.dense",
}
_DEBERTA = _BERT | {word: rf"attention\.self\.{word}_proj" for word in ("query", "key", "value")}
_BART_ATTENTION = r"(?:self_attn|encoder_attn)"

PATTERNS: dict[str, dict[str, str]] = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "electra": _BERT,
    "deberta-v2": _DEBERTA,  # v3 checkpoints name this type too
    "distilbert": {
        "query": r"attention\.q_lin",
        "key": r"attention\.k_lin",
        "value": r"attention\.v_lin",
        "attention.output": r"attention\.out_lin",
        "intermediate": r"ffn\.lin1",
        "layer.output": r"ffn\.lin2",
    },
    # XLNet keeps its attention matrices as bare parameters: only the feed-forward is linear.
    "xlnet": {"intermediate": r"ff\.layer_1", "layer.output": r"ff\.layer_2"},
    "t5": {
        "query": r"(?:Self|EncDec)Attention\.q",
        "key": r"(?:Self|EncDec)Attention\.k",
        "value": r"(?:Self|EncDec)Attention\.v",
        "attention.output": r"(?:Self|EncDec)Attention\.o",
        "intermediate": r"DenseReluDense\.wi(?:_0|_1)?",
        "layer.output": r"DenseReluDense\.wo",
    },
    "bart": {
        "query": rf"{_BART_ATTENTION}\.q_proj",
        "key": rf"{_BART_ATTENTION}\.k_proj",
        "value": rf"{_BART_ATTENTION}\.v_proj",
        "attention.output": rf"{_BART_ATTENTION}\.out_proj",
        "intermediate": r"fc1",
        "layer.output": r"fc2",
    },
}


def resolve_targets(
    linear_paths: Sequence[str], target_modules: Sequence[str] | str, *, model_type: str
) -> list[str]:
    """Expand target words, suffixes or one regular expression to full module paths.

    Args:
        linear_paths: every linear of the model that may be adapted, in the model's order.
        target_modules: a list of words or suffixes, or one regular expression for whole paths.
        model_type: transformers' name of the architecture, which decides what a word means.

    Returns:
        The paths that match, in the model's order, none twice.

    Raises:
        AdapterError: an entry matches nothing; the message lists what could have matched.
    """
    if isinstance(target_modules, str):
        entries = {target_modules: _compile(target_modules)}
    else:
        entries = {entry: _entry_pattern(entry, model_type) for entry in target_modules}
    chosen: set[str] = set()
    for entry, pattern in entries.items():
        matches = {path for path in linear_paths if pattern.fullmatch(path)}
        if not matches:
            raise AdapterError(_nothing_matched(entry, linear_paths, model_type))
        chosen |= matches
    return [path for path in linear_paths if path in chosen]


def _compile(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as error:
        raise AdapterError(
            f"adapter.target_modules is {expression!r}, no regular expression: {error}"
        ) from error


def _entry_pattern(entry: str, model_type: str) -> re.Pattern[str]:
    ending = PATTERNS.get(model_type, {}).get(entry, re.escape(entry))
    return re.compile(rf"(?:.*\.)?{ending}")


def _nothing_matched(entry: str, linear_paths: Sequence[str], model_type: str) -> str:
    words = [word for word in WORDS if word in PATTERNS.get(model_type, {})]
    endings = dict.fromkeys(re.sub(r"^.*\.\d+\.", "", path) for path in linear_paths)
    return (
        f"adapter.target_modules: {entry!r} matches no linear of this {model_type} model; "
        f"words: {', '.join(words) or 'none'}; linears: {', '.join(endings) or 'none'}"
    )
