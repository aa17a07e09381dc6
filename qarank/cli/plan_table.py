"""A run's plan as people see it, and a schedule's table."""

from typing import Any

from qarank.cli.render import print_facts, print_table


def print_plan(name: str, data: dict[str, Any], plan: dict[str, Any]) -> None:
    """Data, parameters, steps and, with an allocator, the budget."""
    print_table(
        "data: training, then evaluation" if len(data) > 1 else "data: training",
        ["data", "examples", "no answer", "features", "longest", "questions cut"],
        [
            [
                facts["label"],
                *(facts[key] for key in ("examples", "unanswerable", "features")),
                facts["longest_feature"],
                facts["cut_questions"],
            ]
            for facts in data.values()
        ],
    )
    print_facts(f"plan of {name}", _describe_plan(plan))
    print_table("adapted", ["matrices", "number"], plan["targets"].items())
    if plan["schedule"] is not None:
        print_budget(plan)
    else:
        print_facts("budget", {"allocator": "none: every matrix keeps r"})


def print_budget(plan: dict[str, Any]) -> None:
    """The phases of the budget schedule."""
    schedule = plan["schedule"]
    final = schedule["total_steps"] - schedule["tfinal"]
    rows = [
        ["all triplets", f"1..{schedule['tinit']}", schedule["start_budget"]],
        [
            f"falling, a round every {schedule['delta_t']} steps",
            f"{schedule['tinit'] + 1}..{final - 1}",
            f"{schedule['start_budget']} -> {schedule['target_budget']}",
        ],
        ["final", f"{final}..{schedule['total_steps']}", schedule["target_budget"]],
    ]
    note = f"{schedule['num_rounds']} rounds"
    print_table("budget", ["phase", "steps", "triplets"], rows, note=note)


def _describe_plan(plan: dict[str, Any]) -> dict[str, Any]:
    return {
        "parameters of the model": plan["base_parameters"],
        "trained parameters": plan["trained_parameters"],
        "  of adapters": plan["adapter_parameters"],
        "  of the head": plan["head_parameters"],
        "adapted matrices": len(plan["matrices"]),
        "parameters a rank in every matrix": plan["parameters_per_rank"],
        "steps an epoch": plan["steps_per_epoch"],
        "optimizer steps": plan["total_steps"],
        "warm-up steps": plan["warmup_steps"],
        "evaluated every": plan["eval_every"],
        "saved every": plan["save_every"],
    }
