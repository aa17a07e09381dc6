"""An audit as people see it: lengths, and what was found."""

from collections.abc import Mapping
from typing import Any

import typer

from qarank.cli.render import print_table

PARTS = {"train": "training", "threshold": "held out of it", "validation": "evaluation"}
SPREAD = {"least": "least", "median": "median", "p95": "95 %", "most": "most"}


def print_audit(audit: Mapping[str, Any]) -> None:
    """What `WrittenAudit.to_dict` gives: two tables, and where the whole list is."""
    print_lengths(audit["parts"])
    if not audit["findings"]:
        typer.echo("audit: no findings")
        return
    is_any_grave = any(finding["is_grave"] for finding in audit["findings"])
    print_table(
        "audit",
        ["found", "data", "number"],
        [_describe(finding) for finding in audit["findings"]],
        note="!: training refuses the data for it" if is_any_grave else "",
    )
    typer.echo(f"listed in {audit['path']}")  # in one piece, to be copied


def print_lengths(parts: Mapping[str, Any]) -> None:
    """Questions, contexts and answers in tokens."""
    rows = [
        [f"{PARTS[name]}: {kind}", *(spread[key] for key in SPREAD)]
        for name, part in parts.items()
        for kind, spread in part["tokens"].items()
        if kind != "windowed_share"
    ]
    shares = [f"{100 * part['tokens']['windowed_share']:.1f} %" for part in parts.values()]
    print_table(
        "lengths in tokens",
        ["texts", *SPREAD.values()],
        rows,
        note=f"contexts longer than a window: {' and '.join(shares)}",
    )


def _describe(finding: Mapping[str, Any]) -> list[Any]:
    mark = "! " if finding["is_grave"] else ""
    return [f"{mark}{finding['what']}", PARTS[finding["part"]], finding["count"]]
