"""A run's plan as people see it: data, steps, what trains, its budget, what it will take."""

from collections.abc import Mapping, Sequence
from typing import Any

from qarank.cli.audit_table import PARTS, print_audit
from qarank.cli.quantities import format_bytes, format_duration
from qarank.cli.render import format_value, print_facts, print_table


def print_plan(name: str, report: Mapping[str, Any]) -> None:
    """All that `describe_preparation` reports and, if it is there, the estimate."""
    plan = report["plan"]
    print_data(report["data"])
    if "audit" in report:
        print_audit(report["audit"])
    print_facts(f"plan of {name}", _describe_steps(plan, report["processes"]))
    print_groups(plan)
    if plan["schedule"] is not None:
        print_budget(plan, report["budget_unit"])
    elif plan["pattern"] is not None:
        print_facts("budget", {"triplets, from the start": sum(plan["pattern"].values())})
    else:
        print_facts("budget", {"allocator": "none: every matrix keeps r"})
    if "estimate" in report:
        print_estimate(report["estimate"])


def print_findings(report: Mapping[str, Any]) -> None:
    """What is in the data alone, without the plan of a run of it."""
    print_data(report["data"])
    print_audit(report["audit"])


def print_data(data: Mapping[str, Any]) -> None:
    """Examples and features of each part."""
    print_table(
        f"data: {', then '.join(PARTS[name] for name in data)}",
        ["data", "examples", "no answer", "features", "longest", "cut"],
        [
            [
                facts["label"],
                *(facts[key] for key in ("examples", "unanswerable", "features")),
                facts["longest_feature"],
                facts["cut_questions"],
            ]
            for facts in data.values()
        ],
        note="longest: tokens; cut: questions too long for a window, shortened",
    )


def print_groups(plan: Mapping[str, Any]) -> None:
    """What trains, by kind."""
    rows = [
        *([group["name"], group["matrices"], group["parameters"]] for group in plan["groups"]),
        ["all", len(plan["matrices"]) or None, plan["trained_parameters"]],
    ]
    note = f"of {format_value(plan['base_parameters'])}"
    if plan["matrices"]:
        note += f"; a rank more in every matrix: {format_value(plan['parameters_per_rank'])}"
    print_table("trained", ["kind", "matrices", "parameters"], rows, note=note)


def print_budget(plan: Mapping[str, Any], unit: str) -> None:
    """The phases of the budget schedule, in triplets or parameters, and a few of its rounds."""
    schedule = plan["schedule"]
    final = schedule["total_steps"] - schedule["tfinal"]
    rows = [
        ["all triplets", _span(1, schedule["tinit"]), schedule["start_budget"]],
        [
            f"falling, a round every {format_value(schedule['delta_t'])} steps",
            _span(schedule["tinit"] + 1, final - 1),
            f"{format_value(schedule['start_budget'])} -> "
            f"{format_value(schedule['target_budget'])}",
        ],
        [
            "final, pattern fixed" if schedule["finalize"] else "final, rounds go on",
            _span(final, schedule["total_steps"]),
            schedule["target_budget"],
        ],
    ]
    print_table("budget", ["phase", "steps", unit], rows)
    shown, number = schedule["shown_rounds"], schedule["num_rounds"]
    some = f"{len(shown)} of " if len(shown) < number else ""
    print_table(
        f"{some}{format_value(number)} rounds",
        ["after step", "epoch", unit, "mean rank"],
        [[format_value(row["step"]), *_round(row)] for row in shown],
    )


def print_estimate(estimate: Mapping[str, Any]) -> None:
    """Time, memory and disk."""
    evaluations = estimate["num_evaluations"]
    facts = {
        "a step": format_duration(estimate["step_s"]),
        "training": format_duration(estimate["train_s"]),
        "evaluation": f"{format_duration(estimate['evaluation_s'])} ({evaluations} in all)"
        if evaluations
        else None,
        "in all, about": format_duration(estimate["total_s"]),
        "memory of a process, peak": format_bytes(estimate["peak_bytes"]),
        "a checkpoint": format_bytes(estimate["checkpoint_bytes"]),
        "disk needed, at most": format_bytes(estimate["disk_bytes"]),
        "disk free": format_bytes(estimate["disk_free_bytes"]),
    }
    print_facts("estimate, from a few steps timed here", facts)


def print_points(name: str, points: Sequence[Mapping[str, Any]]) -> None:
    """The points of a sweep: data once for all that share it, then a row a point."""
    data = {tuple(part["label"] for part in point["data"].values()): point for point in points}
    for point in data.values():
        print_data(point["data"])
        print_audit(point["audit"])
    print_table(
        f"points of {name}",
        ["point", "steps", "rounds", "trained", "budget"],
        [[point["point"], *_describe_point(point["plan"])] for point in points],
        note="a point in full: --set sweep=null and its keys",
    )


def _describe_point(plan: Mapping[str, Any]) -> list[Any]:
    schedule = plan["schedule"]
    if schedule is None:
        kept = sum(plan["pattern"].values()) if plan["pattern"] else None
        return [plan["total_steps"], None, plan["trained_parameters"], kept]
    first, last = schedule["start_budget"], schedule["target_budget"]
    budget = f"{format_value(first)} -> {format_value(last)}"
    return [plan["total_steps"], schedule["num_rounds"], plan["trained_parameters"], budget]


def _describe_steps(plan: Mapping[str, Any], processes: Mapping[str, Any]) -> dict[str, Any]:
    size, share = processes["world_size"], processes["features_a_step"]
    return {
        "processes": "1" if size == 1 else f"{size}, of a step {share:g} features each on average",
        "steps an epoch": plan["steps_per_epoch"],
        "optimizer steps": plan["total_steps"],
        "warm-up steps": plan["warmup_steps"],
        "evaluated every": plan["eval_every"] or "at the end only",
        "saved every": plan["save_every"] or "at the end only",
    }


def _span(first: int, last: int) -> str:
    return f"{format_value(first)}..{format_value(last)}" if first <= last else "none"


def _round(row: Mapping[str, Any]) -> list[Any]:
    return [row["epoch"], row["budget"], row["mean_rank"]]
