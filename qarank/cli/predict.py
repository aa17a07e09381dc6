"""qarank predict: answers to a question, or to a file of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qarank.artifacts.answer_file import check_answer_file, write_answers
from qarank.artifacts.find_run import check_model_folder
from qarank.cli.answer_table import print_answers
from qarank.cli.options import (
    PRECISIONS,
    JsonOption,
    NullThresholdOption,
    OverwriteOption,
    PrecisionOption,
    QuietOption,
    RunArgument,
    VerboseOption,
    check_choice,
    check_threshold,
    set_verbosity,
)
from qarank.cli.render import print_json
from qarank.errors import DataError

if TYPE_CHECKING:
    from qarank.squad.contexts import Question

QuestionOption = Annotated[
    str | None, typer.Option(help="One question.", metavar="TEXT", show_default=False)
]
ContextOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Its passage; repeat it for several, of which the best answer is taken.",
        metavar="TEXT",
        show_default=False,
    ),
]
ContextFileOption = Annotated[
    list[Path] | None,
    typer.Option(
        help="Its passage, in a text file; repeatable. Passages are numbered from 0, in order,"
        " those of --context first.",
        metavar="FILE",
        show_default=False,
    ),
]
InputOption = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="FILE",
        help="Questions with contexts: JSON (also SQuAD's), JSON lines, CSV or Parquet, also gzip;"
        " - is standard input. Several contexts of one question are a list, contexts; in CSV, rows"
        " of the same id and question.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        help="Write all answers: .jsonl, .json ({id: answer}) or .csv.", show_default=False
    ),
]
NBestOption = Annotated[int, typer.Option(min=1, help="Candidates to list a question.")]


def predict(
    run: RunArgument,
    question: QuestionOption = None,
    context: ContextOption = None,
    context_file: ContextFileOption = None,
    input_file: InputOption = None,
    output: OutputOption = None,
    null_threshold: NullThresholdOption = None,
    n_best: NBestOption = 1,
    precision: PrecisionOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Answer a question about one passage or several, or a file of questions, with a run's model.

    Examples: qarank predict runs/quickstart/adalora --question "Who?" --context-file page.txt

    qarank predict runs/quickstart/adalora --input questions.csv --output answers.jsonl
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    check_choice("--precision", precision, PRECISIONS)
    check_threshold(null_threshold)
    if output is not None:
        check_output(output, input_file, overwrite=overwrite, n_best=n_best)
    check_model_folder(run)
    questions = gather_questions(question, context or [], context_file or [], input_file)
    from qarank.workflows.predict import predict_answers

    predictions = predict_answers(
        run,
        questions,
        precision=precision,
        null_threshold=null_threshold,
        n_best=n_best,
        show_progress=not quiet,
    )
    if output is not None:
        write_answers(output, predictions)
        if not quiet:
            typer.echo(f"qarank: {len(predictions):,} answers in {output}", err=True)
    if as_json:
        print_json(predictions)
    else:
        print_answers(predictions, is_written=output is not None)


def gather_questions(
    question: str | None,
    contexts: Sequence[str],
    context_files: Sequence[Path],
    input_file: str | None,
) -> "list[Question]":
    """What is asked: the one question with its passages, or the file's.

    Raises:
        DataError: neither or both are given, a passage is missing, or a text or the file is wrong.
    """
    from qarank.squad.question_file import check_question, read_context, read_questions  # pyarrow

    if (question is None) == (input_file is None):
        raise DataError("give either --question with its context, or --input FILE")
    if input_file is not None:
        if contexts or context_files:
            raise DataError("--context and --context-file go with --question; --input has its own")
        return read_questions(input_file)
    if not contexts and not context_files:
        raise DataError("--question needs its passage: give --context TEXT or --context-file FILE")
    for name, text in (("--question", question), *(("--context", text) for text in contexts)):
        if text is not None and not text.strip():
            raise DataError(f"{name} is empty; it must be text")
    passages = [*contexts, *map(read_context, context_files)]
    row = {"question": question, "contexts": passages}
    return [check_question(row, number=0, where="the command line")]


def check_output(output: Path, input_file: str | None, *, overwrite: bool, n_best: int) -> None:
    """Where the answers go, before they take time.

    Raises:
        DataError: as check_answer_file, or it is the input.
    """
    check_answer_file(output, overwrite=overwrite, with_nbest=n_best > 1)
    if input_file is not None and output.resolve() == Path(input_file).resolve():
        raise DataError(f"{output} is also the input; choose another name")
