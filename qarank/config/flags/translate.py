"""A command line of run_qa, or of AdaLoRA's fork of it -> a recipe's keys and what to know of them.

Pure: nothing is read, written or looked up. Every flag ends in just one note or in an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from qarank.config.flags.adapter_keys import describe_method, translate_adapter
from qarank.config.flags.asked import read_flags
from qarank.config.flags.catalogue import FIXED, IDLE_BECAUSE
from qarank.config.flags.data_keys import translate_data, translate_model, translate_place
from qarank.config.flags.draft import Draft, Note
from qarank.config.flags.eval_keys import translate_eval
from qarank.config.flags.launch import read_launch
from qarank.config.flags.train_keys import translate_train
from qarank.config.flags.words import CommandLine, split_command
from qarank.config.load import parse_recipe, set_key
from qarank.errors import RecipeError

ORDER = ("name", "seed", "runs_dir", "model", "data", "adapter", "allocator", "train", "eval")
OTHER_SCRIPTS = ("run_qa_", "run_seq2seq_")  # how names of run_qa's neighbours begin
NAMELESS = "from_flags"  # of a recipe while it is checked; a file's stem names it later


@dataclass(frozen=True)
class Translation:
    """What a command line came to.

    Attributes:
        keys: the recipe's, dotted -> value, in the order of a recipe.
        notes: one or more a flag, and one a key that the command is silent about.
    """

    keys: dict[str, Any]
    notes: tuple[Note, ...]

    @property
    def mapping(self) -> dict[str, Any]:
        """The recipe as YAML holds it; without a name where the command gives none."""
        mapping: dict[str, Any] = {}
        for key, value in self.keys.items():
            mapping = set_key(mapping, key, value, where=key)
        return mapping

    @property
    def problems(self) -> list[Note]:
        """What cannot be honoured."""
        return [note for note in self.notes if note.kind == "impossible"]


def translate_command(text: str, *, nproc: int | None = None) -> Translation:
    """Translate one command line.

    Args:
        text: flags, or a whole command with its launcher, comments and continued lines.
        nproc: processes it ran in; None: as its launcher says, else one.

    Raises:
        RecipeError: it cannot be read, or what it asks for is no recipe; one line.
    """
    command = split_command(text)
    launch = read_launch(command.launch)
    if nproc is not None:
        launch = replace(launch, world_size=nproc, shown=f"--nproc {nproc}")
    asked = read_flags(_require_flags(command))
    draft = Draft(asked)
    _tell_around(draft, command)
    translate_place(draft, method=describe_method(draft))
    translate_model(draft)
    translate_data(draft)
    translate_adapter(draft)
    translate_train(draft, launch)
    translate_eval(draft)
    _settle_rest(draft)
    keys = {
        key: draft.keys[key]
        for section in ORDER
        for key in draft.keys
        if key.split(".")[0] == section
    }
    translation = Translation(keys, tuple(draft.notes))
    _check(translation)
    return translation


def _require_flags(command: CommandLine) -> Sequence[str]:
    words = command.words
    if len(words) == 1 and words[0].endswith(".json"):
        raise RecipeError(f"{words[0]} holds the flags; write them out: --learning_rate 3e-5 ...")
    return words


def _tell_around(draft: Draft, command: CommandLine) -> None:
    """What is said beside the flags: the script, and what the shell was to do after it."""
    script = PurePath(command.script).name.removesuffix(".py").rsplit(".", 1)[-1]
    if script.startswith(OTHER_SCRIPTS):
        draft.refuse_words(command.script, "flags are read as run_qa.py's, and it trains otherwise")
    elif script not in ("", "run_qa"):
        draft.tell("its flags are read as run_qa.py's", flag=command.script)
    if command.dropped:
        draft.tell("left out: a recipe runs nothing else", flag=" ".join(command.dropped))
    for shown, advice in draft.asked.unknown.items():
        draft.refuse_words(shown, advice)
    for shown in draft.asked.repeated:
        draft.tell("it is given before with another value; the last one holds", flag=shown)
    if not draft.asked.is_on("do_train"):
        draft.settled.add("do_train")
        draft.refuse_words(
            draft.asked.shown("do_train") if draft.asked.has("do_train") else "no --do_train",
            "it would train nothing; a recipe trains: add --do_train, or score with `qarank eval`",
        )
    draft.set_aside("`qarank train` trains", "do_train")


def _settle_rest(draft: Draft) -> None:
    """Flags that stand for no key."""
    for name in draft.list_left():
        if name in IDLE_BECAUSE:
            draft.set_aside(IDLE_BECAUSE[name], name)
            continue
        accepted, advice = FIXED[name]
        if _normalise(draft.asked.flags[name].value) in accepted:
            draft.set_aside("so it is done here", name)
        else:
            draft.refuse(advice, name)
    draft.tell(
        "AdamW's betas are 0.9 and 0.999, its epsilon 1e-8, as run_qa's defaults", key="train"
    )


def _normalise(value: str) -> str:
    try:
        return str(float(value))
    except ValueError:
        return value


def _check(translation: Translation) -> None:
    """Refuse keys that are no recipe; the line ends with the flags they come from."""
    try:
        parse_recipe({"name": NAMELESS, **translation.mapping}, "the command line's recipe")
    except RecipeError as error:
        message = str(error)
        words = {word.strip(",;:") for word in message.split()}
        origins = [
            f"{note.key}: {note.flag or note.text}"
            for note in translation.notes
            if note.kind in ("translated", "default") and note.key in words
        ]
        named = f" ({'; '.join(origins)})" if origins else ""
        raise RecipeError(f"{message}{named}") from None
