"""qarank recipe: a command line of run_qa, or of AdaLoRA's README, as a recipe file."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qarank.cli.options import JsonOption, OverwriteOption, QuietOption
from qarank.errors import RecipeError

if TYPE_CHECKING:
    from qarank.config.flags.translate import Translation

STDIN = Path("-")
ENDINGS = (".yaml", ".yml")
FlagsOption = Annotated[
    str | None,
    typer.Option(metavar="LINE", help="The command line, in quotes.", show_default=False),
]
FileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A file that holds it; - is stdin.", show_default=False),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write the recipe there.", show_default=False
    ),
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        "--nproc",
        min=1,
        metavar="N",
        help="Processes it ran in; default: as its launcher says.",
        show_default=False,
    ),
]
LenientOption = Annotated[
    bool, typer.Option("--lenient", help="Keep what cannot be honoured as a comment.")
]


def recipe(
    from_flags: FlagsOption = None,
    from_file: FileOption = None,
    output: OutputOption = None,
    nproc: ProcessesOption = None,
    lenient: LenientOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Turn a command line of run_qa, or of AdaLoRA's README, into a recipe.

    Comments, variables and launchers (torchrun, accelerate launch) may stand
    in it. What run_qa takes for a flag left out is written down too. A flag
    that cannot be honoured is named, and nothing is written.

    Example: qarank recipe --from-file train.sh --output mine.yaml

    Example: qarank recipe --from-flags 'run_qa.py --dataset_name squad
    --model_name_or_path bert-base-uncased --do_train --do_eval' > bert.yaml
    """
    text = _read_command(from_flags, from_file)
    if output is not None:
        from qarank.artifacts.output_file import check_output_file

        check_output_file(output, endings=ENDINGS, what="recipes", overwrite=overwrite)
    from qarank.config.flags.translate import translate_command

    translation = translate_command(text, nproc=nproc)
    is_refused = bool(translation.problems) and not lenient
    if not quiet:
        _print_remarks(translation)
    if as_json:
        _print_document(translation, is_refused=is_refused)
    if is_refused:
        named = ", ".join(note.flag for note in translation.problems)
        raise RecipeError(
            f"{named}: cannot be honoured; leave it out, or --lenient keeps it as a comment"
        )
    _hand_out(translation, output, is_printed=not as_json)


def _read_command(from_flags: str | None, from_file: Path | None) -> str:
    if (from_flags is None) == (from_file is None):
        raise RecipeError("give the command line by one of --from-flags LINE and --from-file FILE")
    if from_flags is not None:
        return from_flags
    assert from_file is not None  # one of them is given
    try:
        return sys.stdin.read() if from_file == STDIN else from_file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{from_file}: not UTF-8 text at byte {error.start}") from None
    except OSError as error:
        raise RecipeError(f"{from_file}: cannot be read: {error.strerror}") from None


def _print_remarks(translation: "Translation") -> None:
    from qarank.config.flags.recipe_text import list_remarks

    counts = Counter(note.kind for note in translation.notes)
    typer.echo(
        f"{counts['translated']} keys from flags, {counts['default']} from the command's defaults",
        err=True,
    )
    for headline, lines in list_remarks(translation.notes):
        typer.echo("\n  ".join([headline, *lines]), err=True)


def _print_document(translation: "Translation", *, is_refused: bool) -> None:
    from dataclasses import asdict

    from qarank.cli.render import print_json

    document: dict[str, Any] = {
        "recipe": None if is_refused else translation.mapping,
        "notes": [asdict(note) for note in translation.notes],
    }
    print_json(document)


def _hand_out(translation: "Translation", output: Path | None, *, is_printed: bool) -> None:
    from qarank.config.flags.recipe_text import render_recipe

    text = render_recipe(translation)
    if output is not None:
        from qarank.artifacts.atomic import write_text

        write_text(output, text)
    elif is_printed:
        typer.echo(text, nl=False)
