"""A command line as people keep it -> what launches it, its script, and the words after that.

Comments, continued lines, assignments of variables and the launcher in front are no flags. The
shell is not run: of its language only quotes, comments and variables assigned in front are read.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from qarank.errors import RecipeError

WHERE = "the command line"
LAUNCHING_MODULES = (
    "torch.distributed.launch",
    "torch.distributed.run",
    "accelerate.commands.launch",
)
PROMPTS = ("$", "!", "%")
_PARTS = re.compile(
    r"""'[^']*'|"(?:\\.|[^"\\])*"|(?P<continued>\\[ \t]*\r?\n)|\\.|(?P<comment>(?<!\S)\#[^\n]*)""",
    re.DOTALL,
)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_OPERATOR = re.compile(r"\d*[<>]|[&|;]")


@dataclass(frozen=True)
class CommandLine:
    """One command, taken apart.

    Attributes:
        launch: words before the script, assignments among them: a launcher with its options.
        script: what is run; "" where only flags were given.
        words: after the script, variables put in.
        dropped: from the shell's first operator on, as in `> log.txt`.
    """

    launch: tuple[str, ...]
    script: str
    words: tuple[str, ...]
    dropped: tuple[str, ...]


def split_command(text: str) -> CommandLine:
    """Take a command line apart.

    Args:
        text: flags, or a whole command over any number of lines, comments between them.

    Raises:
        RecipeError: it is empty, a quotation is not closed, or it is not one command.
    """
    words = _split_words(text)
    if not words:
        raise RecipeError(f"{WHERE} is empty; give run_qa's flags, as in --model_name_or_path ...")
    place = _find_script(words)
    launch = words[: max(place, 0)]
    script = words[place] if place >= 0 else ""
    rest = [_expand(word, _read_assignments(launch)) for word in words[place + 1 :]]
    others = [word for word in rest if _is_script(word)]
    if others:
        raise RecipeError(f"{WHERE} holds {1 + len(others)} commands; give one at a time")
    kept, dropped = _cut_at_operator(rest)
    return CommandLine(tuple(launch), script, tuple(kept), tuple(dropped))


def make_printable(text: str) -> str:
    """One line of printable characters, others as escapes; for messages and comments."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _split_words(text: str) -> list[str]:
    lexer = shlex.shlex(_PARTS.sub(_clean, text), posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""  # they are gone; by itself shlex cuts a#b too
    try:
        words = list(lexer)
    except ValueError as error:
        raise RecipeError(f"{WHERE}: {str(error)[:1].lower()}{str(error)[1:]}") from None
    while words and words[0] in PROMPTS:
        del words[0]
    return words


def _clean(part: re.Match[str]) -> str:
    return " " if part["continued"] or part["comment"] else part[0]


def _find_script(words: Sequence[str]) -> int:
    """The script's place; -1 where the flags begin at once."""
    if words[0].startswith("-"):
        return -1
    for place, word in enumerate(words):
        is_module = place > 0 and words[place - 1] == "-m" and word not in LAUNCHING_MODULES
        if is_module or _is_script(word):
            return place
    raise RecipeError(
        f"{WHERE} names no script before its flags; write it as `run_qa.py --FLAG ...`, or the"
        " flags alone"
    )


def _is_script(word: str) -> bool:
    return word.endswith(".py")


def _read_assignments(launch: Sequence[str]) -> dict[str, str]:
    found = (_ASSIGNMENT.fullmatch(word) for word in launch)
    return {match[1]: match[2].removesuffix(";") for match in found if match}


def _expand(word: str, variables: dict[str, str]) -> str:
    """The word with the variables that were assigned in front; others stay as they are."""
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], match[0]), word)


def _cut_at_operator(words: Sequence[str]) -> tuple[list[str], list[str]]:
    kept: list[str] = []
    for place, word in enumerate(words):
        if _OPERATOR.match(word):
            return kept, list(words[place:])
        if word.endswith(";"):
            return [*kept, word.removesuffix(";")], list(words[place + 1 :])
        kept.append(word)
    return kept, []
