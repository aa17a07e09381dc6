"""Flags about the model, the data and the run's place -> the keys name, model and data."""

from pathlib import Path, PurePath

from qarank.config.flags.draft import Draft
from qarank.errors import RecipeError
from qarank.squad.source_names import is_file_name, name_file

DEFAULT_CONFIGS = ("default", "plain_text")  # of data sets that have one configuration
WHY_ONE = "model and tokenizer are one folder here: save both in it, and leave this out"


def translate_place(draft: Draft, *, method: str) -> None:
    """Where the run goes: output_dir, or the original's two halves of it.

    Args:
        draft: gets name and runs_dir, or neither: then the recipe file's stem is the name.
        method: told apart by it, since the original puts every run in one folder.
    """
    asked = draft.asked
    if asked.has("root_output_dir"):
        sub = asked.text("sub_output_dir") or "run"
        draft.put("name", f"{sub}_{method}", "sub_output_dir")
        draft.put("runs_dir", asked.text("root_output_dir"), "root_output_dir")
        draft.tell("a folder for each method and rank; the original writes all to one", key="name")
        draft.set_aside("--root_output_dir and --sub_output_dir name the folder", "output_dir")
        return
    output = PurePath(asked.text("output_dir") or "")
    if output.name in ("", ".", ".."):
        draft.set_aside("it names no folder of the run's own; the file's stem does", "output_dir")
    else:
        draft.put("name", output.name, "output_dir")
        draft.put("runs_dir", str(output.parent), "output_dir")
    draft.set_aside("it goes with --root_output_dir", "sub_output_dir")


def translate_model(draft: Draft) -> None:
    """The section model.

    Raises:
        RecipeError: no model is named.
    """
    asked = draft.asked
    name = asked.text("model_name_or_path")
    if name is None:
        raise RecipeError("the command line names no model; give --model_name_or_path")
    draft.put("model.name_or_path", name, "model_name_or_path")
    for flag in ("config_name", "tokenizer_name"):
        if asked.text(flag) == name:
            draft.set_aside("it is the model's own", flag)
        else:
            draft.refuse(WHY_ONE, flag)
    if asked.has("model_revision"):
        draft.put("model.revision", asked.text("model_revision"), "model_revision")
    if asked.has("trust_remote_code"):
        draft.put("model.trust_remote_code", asked.is_on("trust_remote_code"), "trust_remote_code")


def translate_data(draft: Draft) -> None:
    """The section data.

    Raises:
        RecipeError: no training data is named.
    """
    asked = draft.asked
    if asked.has("dataset_name"):
        _translate_hub(draft)
    elif asked.text("train_file") is not None:
        _translate_files(draft)
    else:
        raise RecipeError(
            "the command line names no training data; give --dataset_name or --train_file"
        )
    if asked.has("max_train_samples"):
        draft.put("data.max_train_examples", asked.whole("max_train_samples"), "max_train_samples")
        draft.tell(
            "they are drawn by the seed; run_qa takes the first", key="data.max_train_examples"
        )
    if asked.has("max_eval_samples"):
        draft.put("data.max_eval_examples", asked.whole("max_eval_samples"), "max_eval_samples")
    is_v2 = asked.is_on("version_2_with_negative")
    draft.put("data.version_2_with_negative", is_v2, "version_2_with_negative")
    for flag, default in (("max_seq_length", 384), ("doc_stride", 128)):
        given = asked.whole(flag)
        draft.put(f"data.{flag}", default if given is None else given, flag)


def _translate_hub(draft: Draft) -> None:
    asked = draft.asked
    name = asked.text("dataset_name") or ""
    if is_file_name(name):
        draft.refuse("it is no hub name: give --train_file and --validation_file", "dataset_name")
    draft.put("data.source", name, "dataset_name", silent="as it was given")
    draft.set_aside("--dataset_name goes before files", "train_file", "validation_file")
    if asked.text("dataset_config_name") in (*DEFAULT_CONFIGS, name.rsplit("/", 1)[-1]):
        draft.set_aside("it is the data set's only configuration", "dataset_config_name")
    else:
        draft.refuse(
            "data.source takes no configuration: save its splits as files and give --train_file"
            " and --validation_file",
            "dataset_config_name",
        )


def _translate_files(draft: Draft) -> None:
    asked = draft.asked
    for key, flag in (("train", "train_file"), ("validation", "validation_file")):
        path = asked.text(flag)
        if path is None:
            continue
        if key == "validation" and not is_evaluated(draft):
            draft.set_aside("without --do_eval run_qa does not evaluate", flag)
            continue
        draft.put(f"data.{key}", name_file(Path(path)), flag)
    draft.set_aside("it goes with --dataset_name", "dataset_config_name")


def is_evaluated(draft: Draft) -> bool:
    """Whether run_qa would evaluate: it is told to, or to do so every so often."""
    asked = draft.asked
    strategy = asked.text("eval_strategy")
    is_regular = strategy not in (None, "no") or asked.is_on("evaluate_during_training")
    return asked.is_on("do_eval") or is_regular
