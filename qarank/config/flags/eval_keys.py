"""Flags about evaluation -> the section eval."""

from qarank.config.flags.data_keys import is_evaluated
from qarank.config.flags.draft import Draft
from qarank.config.flags.train_keys import put_epoch

BEST = {  # run_qa's names, with and without its prefix
    "f1": "f1",
    "exact_match": "exact",
    "exact": "exact",
}


def translate_eval(draft: Draft) -> None:
    """The section eval. After the section train, whose epochs it counts."""
    asked = draft.asked
    flag, other = "per_device_eval_batch_size", "per_gpu_eval_batch_size"
    if asked.has(other):
        flag, other = other, flag
    size = asked.whole(flag)
    draft.put("eval.batch_size", 8 if size is None else size, flag)
    draft.set_aside(f"{asked.shown(flag)} goes before it", other)
    _translate_period(draft)
    for name, default in (("n_best_size", 20), ("max_answer_length", 30)):
        given = asked.whole(name)
        draft.put(f"eval.{name}", default if given is None else given, name)
    if asked.is_on("version_2_with_negative"):
        threshold = asked.number("null_score_diff_threshold")
        draft.put("eval.null_threshold", threshold or 0.0, "null_score_diff_threshold")
    draft.set_aside("it goes with --version_2_with_negative", "null_score_diff_threshold")
    _translate_best(draft)


def _translate_period(draft: Draft) -> None:
    asked = draft.asked
    strategy = asked.choice("eval_strategy", ("no", "steps", "epoch"))
    if strategy is None and asked.is_on("evaluate_during_training"):
        strategy = "steps"
    names = ("eval_strategy", "evaluate_during_training")
    if strategy == "steps":
        steps = asked.number("eval_steps")
        every = draft.keys["train.log_every"] if steps is None else steps
        draft.put("eval.every", every, "eval_steps", *names)
        if steps is None:
            draft.tell("run_qa's default: as often as --logging_steps", key="eval.every")
    elif strategy == "epoch":
        put_epoch(draft, "eval.every", "eval_strategy")
    else:
        draft.put("eval.every", None, *names)
    draft.set_aside("it goes with --eval_strategy steps", "eval_steps")
    draft.set_aside("--eval_strategy goes before it", "evaluate_during_training")
    if "data.validation" in draft.keys or "data.source" in draft.keys:
        if is_evaluated(draft):
            draft.set_aside("the end of a run is always evaluated", "do_eval")
        else:
            draft.tell("the end of a run is evaluated, with or without --do_eval")
    draft.set_aside("nothing is evaluated without --validation_file", "do_eval")


def _translate_best(draft: Draft) -> None:
    asked = draft.asked
    metric = asked.text("metric_for_best_model")
    if asked.is_on("load_best_model_at_end"):
        best = BEST.get((metric or "loss").removeprefix("eval_"))
        names = ("metric_for_best_model", "load_best_model_at_end")
        if best is None:
            draft.refuse("eval.best_metric is f1 or exact: add --metric_for_best_model f1", *names)
        else:
            draft.put("eval.best_metric", best, *names)
    else:
        draft.tell(
            "RUN stands for the best checkpoint by F1, the others stay beside it; run_qa without"
            " --load_best_model_at_end ends with the last",
            key="eval.best_metric",
        )
    draft.set_aside("it goes with --load_best_model_at_end", "metric_for_best_model")
    draft.set_aside("it is off", "load_best_model_at_end")
    if asked.is_on("greater_is_better"):
        draft.set_aside("so they are", "greater_is_better")
    draft.refuse("of EM and F1 the greater is better; leave it out", "greater_is_better")
