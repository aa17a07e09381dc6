"""How a run came to its ranks: its rounds, and the step that they were followed to. No torch."""

from pathlib import Path

from qarank.artifacts.find_run import find_checkpoint, is_run
from qarank.artifacts.names import CHECKPOINTS, RANK_PATTERN
from qarank.artifacts.round_file import read_rounds
from qarank.artifacts.run_dir import RunDir, step_of
from qarank.errors import CheckpointError
from qarank.report.trajectory import RoundFigures, describe_rounds
from qarank.workflows.inspect_ranks import RankReport


def report_rounds(path: Path, report: RankReport) -> list[RoundFigures]:
    """The rounds of a run, or of a checkpoint's past; none of an adapter folder elsewhere.

    Raises:
        CheckpointError: ranks.jsonl is damaged.
    """
    if not is_run(path):
        return []
    checkpoint = find_checkpoint(path)
    run_dir = RunDir(checkpoint.parent.parent)
    until = step_of(checkpoint) if _is_checkpoint(path) else None
    lines = read_rounds(run_dir.ranks_path, until=until)
    costs = {matrix.path: matrix.cost for matrix in report.matrices}
    try:
        return describe_rounds(lines, costs, r=report.r)
    except (KeyError, TypeError) as error:
        where = f"{run_dir.ranks_path} is damaged"
        raise CheckpointError(f"{where}: it names matrices that {RANK_PATTERN} does not") from error


def find_last_step(path: Path) -> int | None:
    """A checkpoint's step; a run's last, or that of its newest checkpoint while it goes on.

    None of an adapter folder elsewhere.
    """
    if not is_run(path):
        return None
    checkpoint = find_checkpoint(path)
    if _is_checkpoint(path):
        return step_of(checkpoint)
    run_dir = RunDir(checkpoint.parent.parent)
    run = run_dir.read_run()
    if run.get("result") is not None and "total_steps" in run.get("plan", {}):
        return int(run["plan"]["total_steps"])
    return step_of(run_dir.checkpoints()[-1])


def _is_checkpoint(path: Path) -> bool:
    return path.absolute().parent.name == CHECKPOINTS
