"""Run folders for tests that only look at files."""

from pathlib import Path

from qarank.artifacts.run_dir import RunDir, claim_run_dir


def make_run(path: Path, state: str = "finished", *, steps: tuple[int, ...] = (6, 12)) -> RunDir:
    """A run folder with one of each of its files."""
    run_dir = claim_run_dir(path, overwrite=False)
    run_dir.write_run({"state": state})
    for name in ("recipe.yaml", "metrics.jsonl", "ranks.jsonl"):
        (path / name).write_text(name)
    for folder in (run_dir.tensorboard_dir, run_dir.eval_dir("step_000012", "validation")):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    for step in steps:
        run_dir.checkpoint_dir(step).mkdir(parents=True)
    return run_dir
