"""Flags of the Trainer -> the section train, and the seed."""

from qarank.config.flags.draft import Draft
from qarank.config.flags.launch import Launch

SCHEDULES = {"linear": "linear", "constant": "constant", "constant_with_warmup": "constant"}
SAVE_STRATEGIES = ("steps", "no", "epoch")
ALL_KEPT = "run_qa keeps every checkpoint; here the latest 2 and the best stay"


def translate_train(draft: Draft, launch: Launch) -> None:
    """The section train, and the seed.

    Args:
        draft: gets the keys.
        launch: its processes make a step's batch of the per-device one.
    """
    seed = draft.asked.whole("seed")
    draft.put("seed", 42 if seed is None else seed, "seed")
    _translate_length(draft)
    _translate_batches(draft, launch)
    rates = (("learning_rate", 5e-5), ("weight_decay", 0.0))
    for flag, default in rates:
        value = draft.asked.number(flag)
        draft.put(f"train.{flag}", default if value is None else value, flag)
    if draft.asked.number("weight_decay"):
        draft.tell(
            "biases and norms decay too, where they train; run_qa spares them",
            key="train.weight_decay",
        )
    _translate_schedule(draft)
    norm = draft.asked.number("max_grad_norm")
    draft.put("train.max_grad_norm", 1.0 if norm is None else max(norm, 0.0), "max_grad_norm")
    _translate_precision(draft, launch)
    _translate_grouping(draft)
    for key, flag in (
        ("train.gradient_checkpointing", "gradient_checkpointing"),
        ("train.compile", "torch_compile"),
    ):
        if draft.asked.has(flag):
            draft.put(key, draft.asked.is_on(flag), flag)
    _translate_saving(draft)
    _translate_logging(draft)


def _translate_length(draft: Draft) -> None:
    max_steps, epochs = draft.asked.whole("max_steps"), draft.asked.number("num_train_epochs")
    if max_steps is not None and max_steps > 0:
        draft.put("train.max_steps", max_steps, "max_steps")
        draft.set_aside("--max_steps goes before it", "num_train_epochs")
        return
    draft.put("train.epochs", 3 if epochs is None else epochs, "num_train_epochs")
    draft.set_aside("run_qa takes it for none given", "max_steps")


def _translate_batches(draft: Draft, launch: Launch) -> None:
    asked = draft.asked
    flag, other = "per_device_train_batch_size", "per_gpu_train_batch_size"
    if asked.has(other):
        flag, other = other, flag
    given = asked.whole(flag)
    per_device = 8 if given is None else given
    given = asked.whole("gradient_accumulation_steps")
    accumulated = 1 if given is None else given
    size = per_device * accumulated * (launch.world_size or 1)
    draft.put("train.batch_size", size, flag, "gradient_accumulation_steps")
    draft.set_aside(f"{asked.shown(flag)} goes before it", other)
    if accumulated > 1:
        draft.put("train.micro_batch_size", per_device, flag, "gradient_accumulation_steps")
    if launch.world_size is None:
        draft.refuse_words(launch.shown, "how many processes that is, say with --nproc")
    else:
        _tell_size(draft, launch, per_device=per_device, accumulated=accumulated)


def _tell_size(draft: Draft, launch: Launch, *, per_device: int, accumulated: int) -> None:
    count = launch.world_size or 1
    factors = [f"{per_device} a device", f"{count} process{'es' * (count > 1)}"]
    if accumulated > 1:
        factors.append(f"{accumulated} accumulated")
    again = f"; start as many with `qarank train --nproc {count}`" * (count > 1)
    draft.tell(" x ".join(factors) + again, flag=launch.shown, key="train.batch_size")
    if not launch.shown:
        draft.tell(
            "run_qa's grows with the GPUs that it sees; if it saw several, say so with --nproc",
            key="train.batch_size",
        )


def _translate_schedule(draft: Draft) -> None:
    asked = draft.asked
    asked_for = asked.text("lr_scheduler_type") or "linear"
    if asked_for in SCHEDULES:
        draft.put("train.schedule", SCHEDULES[asked_for], "lr_scheduler_type")
    else:
        draft.refuse("train.schedule is linear or constant", "lr_scheduler_type")
    steps, ratio = asked.number("warmup_steps"), asked.number("warmup_ratio")
    if asked_for == "constant":
        draft.set_aside(
            "--lr_scheduler_type constant has no warm-up", "warmup_steps", "warmup_ratio"
        )
        draft.put("train.warmup_steps", 0)
    elif steps or not ratio:
        draft.put("train.warmup_steps", steps or 0, "warmup_steps")
        draft.set_aside("--warmup_steps goes before it", "warmup_ratio")
    elif 0 < ratio < 1:
        draft.put("train.warmup_steps", ratio, "warmup_ratio")
        draft.tell("a share of all steps, rounded; run_qa rounds up", key="train.warmup_steps")
    else:
        draft.refuse("train.warmup_steps takes a share above 0 and below 1", "warmup_ratio")
    draft.set_aside("--warmup_ratio goes before it", "warmup_steps")


def _translate_precision(draft: Draft, launch: Launch) -> None:
    asked = draft.asked
    if asked.is_on("fp16") and asked.is_on("bf16"):
        draft.refuse("--bf16 is on too: keep one of them", "fp16")
    launched = f"--mixed_precision {launch.precision}"
    if asked.is_on("bf16"):
        draft.put("train.precision", "bf16", "bf16")
    elif asked.is_on("fp16") or launch.precision == "fp16":
        _translate_half(draft, launched)
    elif launch.precision == "bf16":
        draft.put("train.precision", "bf16", silent=launched)
    else:
        draft.put("train.precision", "fp32")
        if launch.precision not in (None, "no"):
            draft.refuse_words(launched, "train.precision is fp32, bf16 or fp16")
    draft.set_aside("it is off", "fp16", "bf16")


def _translate_half(draft: Draft, launched: str) -> None:
    if "deberta" not in (draft.asked.text("model_name_or_path") or "").lower():
        draft.put("train.precision", "fp16", "fp16", silent=launched)
        return
    advice = "DeBERTa's attention overflows in fp16, which is refused: take bf16"
    if draft.asked.is_on("fp16"):
        draft.refuse(advice, "fp16")
    else:
        draft.refuse_words(launched, advice)
    draft.put("train.precision", "fp32")


def _translate_grouping(draft: Draft) -> None:
    asked = draft.asked
    sampling = asked.text("train_sampling_strategy") or "random"
    if sampling not in ("random", "group_by_length"):
        draft.refuse("batches are drawn at random, or by length", "train_sampling_strategy")
    is_grouped = asked.is_on("group_by_length") or sampling == "group_by_length"
    draft.put("train.group_by_length", is_grouped, "group_by_length", "train_sampling_strategy")


def _translate_saving(draft: Draft) -> None:
    asked = draft.asked
    strategy = asked.text("save_strategy") or "steps"
    steps = asked.number("save_steps")
    if strategy == "steps":
        draft.put(
            "train.save_every", 500 if steps is None else steps, "save_steps", "save_strategy"
        )
    elif strategy == "no":
        draft.put("train.save_every", None, "save_strategy")
        draft.tell("a checkpoint at the end is always written", key="train.save_every")
    elif strategy == "epoch":
        put_epoch(draft, "train.save_every", "save_strategy")
    else:
        draft.refuse(f"checkpoints come {', '.join(SAVE_STRATEGIES)}", "save_strategy")
    draft.set_aside("it goes with --save_strategy steps", "save_steps")
    limit = asked.whole("save_total_limit")
    if limit is not None and limit > 0:
        draft.put("train.keep_checkpoints", limit, "save_total_limit")
    else:
        draft.set_aside("run_qa takes it for none given", "save_total_limit")
        draft.tell(ALL_KEPT, key="train.keep_checkpoints")


def put_epoch(draft: Draft, key: str, flag: str) -> None:
    """Once an epoch, as a share of all steps; null where the run is one epoch or less."""
    epochs = draft.keys.get("train.epochs")
    if epochs is None:
        draft.refuse(f"{key} counts in steps: give it in steps, since the run's length is", flag)
    else:
        draft.put(key, 1 / epochs if epochs > 1 else None, flag)
        draft.tell("once an epoch, as a share of all steps; null: at the end", key=key)


def _translate_logging(draft: Draft) -> None:
    strategy = draft.asked.choice("logging_strategy", ("steps", "no", "epoch"))
    steps = draft.asked.number("logging_steps")
    if isinstance(steps, float):
        draft.refuse("train.log_every counts whole steps", "logging_steps")
        steps = None
    draft.put("train.log_every", 500 if steps is None else steps, "logging_steps")
    if strategy == "steps":
        draft.set_aside("lines always come by steps", "logging_strategy")
    else:
        draft.set_aside("lines always come by steps: see train.log_every", "logging_strategy")
