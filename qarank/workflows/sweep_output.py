"""A sweep's files beside its runs: tables as JSON, CSV and Markdown, plots, report.html."""

from datetime import UTC, datetime
from pathlib import Path

from qarank.artifacts.atomic import write_bytes, write_json, write_text
from qarank.config.schema import Recipe
from qarank.report.comparisons import compare_groups
from qarank.report.file_names import GROUPS, MARKDOWN, PAGE, POINTS, SUMMARY
from qarank.report.groups import summarise_groups
from qarank.report.page import build_page
from qarank.report.pictures import draw_pictures
from qarank.report.study import Results, Study
from qarank.report.sweep_table import to_csv, to_group_csv, to_markdown
from qarank.workflows.sweep_ledger import SweepLedger
from qarank.workflows.sweep_rows import build_study, list_published
from qarank.workflows.sweep_scores import read_scores


def write_summary(recipe: Recipe, sweep_dir: Path, ledger: SweepLedger) -> Results:
    """The tables of what is there by now, without comparisons."""
    study = Study(recipe.name, ledger.rows(), published=list_published(ledger.points))
    results = Results(study, summarise_groups(study))
    _write_tables(sweep_dir, results)
    return results


def write_report(recipe: Recipe, sweep_dir: Path, ledger: SweepLedger) -> Results:
    """All files; methods are compared where two of them were run at one budget.

    Raises:
        RunError: a file cannot be written.
    """
    study = build_study(recipe, sweep_dir, ledger.points, ledger.rows())
    groups = summarise_groups(study)
    finished = {row.point for row in study.rows if row.state == "finished"}
    scores = read_scores([point for point in ledger.points if point.name in finished])
    results = Results(study, groups, compare_groups(study, groups, scores))
    _write_tables(sweep_dir, results)
    for name, picture in draw_pictures(results).items():
        write_bytes(sweep_dir / name, picture)
    now = datetime.now(UTC).isoformat(timespec="minutes")
    write_text(sweep_dir / PAGE, build_page(results, generated=now))
    return results


def _write_tables(sweep_dir: Path, results: Results) -> None:
    write_json(sweep_dir / SUMMARY, results.to_dict())
    write_text(sweep_dir / POINTS, to_csv(results))
    write_text(sweep_dir / GROUPS, to_group_csv(results))
    write_text(sweep_dir / MARKDOWN, to_markdown(results))
