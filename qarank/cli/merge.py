"""qarank merge: an adapter in another form, which needs no qarank."""

from pathlib import Path
from typing import Annotated, Any

import typer

from qarank.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    RunArgument,
    VerboseOption,
    check_choice,
    set_verbosity,
)
from qarank.cli.render import print_facts, print_json
from qarank.errors import DataError

WORDS = {  # keys of the report -> what people read
    "checkpoint": "from",
    "to": "form",
    "dtype": "precision",
    "matrices": "matrices with an update",
    "ranks": "triplets",
    "largest_logit": "largest logit",
    "largest_difference": "off by form and precision, of the largest logit",
    "pushed": "pushed",
}
OF_A_CUT = {
    "kept_energy": "of ||Delta W||^2 kept, at least",
    "cut_difference": "off by the lower rank, of the largest logit",
}
OutArgument = Annotated[Path, typer.Argument(help="Folder to make.", show_default=False)]
ToOption = Annotated[
    str, typer.Option(help="dense: a whole model; lora, adalora: PEFT's adapters.", metavar="FORM")
]
DtypeOption = Annotated[
    str, typer.Option(help="Precision of what is written: fp32, bf16 or fp16.", metavar="DTYPE")
]
RankOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Cut each update to the nearest of this rank at most.", show_default=False
    ),
]

PushOption = Annotated[
    str | None,
    typer.Option(
        "--push-to-hub", help="Upload it as this model too.", metavar="NAME", show_default=False
    ),
]
PrivateOption = Annotated[bool, typer.Option("--private", help="With --push-to-hub: not public.")]


def merge(
    run: RunArgument,
    out: OutArgument,
    to: ToOption = "dense",
    dtype: DtypeOption = "fp32",
    rank: RankOption = None,
    push_to_hub: PushOption = None,
    private: PrivateOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Fold adapters into a dense model, or write them as plain LoRA or AdaLoRA.

    RUN may also be a PEFT adapter made elsewhere. Transformers or PEFT open the result; it is
    opened again here, and its logits are compared, before it gets its name.

    Examples: qarank merge runs/quickstart/adalora merged

    qarank merge runs/quickstart/adalora small --to lora --rank 2
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    check_choice("--to", to, ("dense", "lora", "adalora"))
    check_choice("--dtype", dtype, ("fp32", "bf16", "fp16"))
    from qarank.workflows.merge import MergeOptions, merge_run

    if push_to_hub is not None:
        from qarank.workflows.push import check_pushable, push_folder

        check_pushable(push_to_hub)
    elif private:
        raise DataError("--private goes with --push-to-hub only")
    options = MergeOptions(to=to, dtype=dtype, rank=rank, overwrite=overwrite)
    report = merge_run(run, out, options)
    if push_to_hub is not None:
        report["pushed"] = push_folder(out, push_to_hub, private=private)
    if as_json:
        print_json(report)
    else:
        print_facts(f"{out}", name_facts(report, is_cut=rank is not None))


def name_facts(report: dict[str, Any], *, is_cut: bool) -> dict[str, Any]:
    """The report in words; what a lower rank cost only where one was asked for."""
    words = WORDS | OF_A_CUT if is_cut else WORDS
    return {words[key]: value for key, value in report.items() if key in words}
