"""What a path that a user names stands for: a run, one of its checkpoints, any model's folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qarank.artifacts.names import ADAPTER_CONFIG, CHECKPOINTS, FULL_MODEL_CONFIG
from qarank.artifacts.run_dir import RunDir
from qarank.errors import AdapterError, CheckpointError, RunDirError

OF_MODELS = (ADAPTER_CONFIG, FULL_MODEL_CONFIG)  # what PEFT, and transformers, look for


def open_run_dir(path: Path) -> RunDir:
    """An existing run.

    Raises:
        RunDirError: there is none.
    """
    run_dir = RunDir(path)
    if not run_dir.run_path.is_file():
        raise RunDirError(f"{path} is not a run: {_describe_lack(path, 'run.json')}")
    return run_dir


def is_run(path: Path) -> bool:
    """Whether the path is a run's folder, or stands where its checkpoints do."""
    parent = path.absolute().parent
    folder = parent.parent if parent.name == CHECKPOINTS else path
    return RunDir(folder).run_path.is_file()


def find_checkpoint(path: Path) -> Path:
    """A run folder means its best checkpoint, or the newest while it is running.

    Raises:
        RunDirError: the path is neither a run nor in one.
        CheckpointError: there is no such checkpoint, or none yet.
    """
    checkpoints = path.absolute().parent  # so that `.` is found too
    if checkpoints.name == CHECKPOINTS:
        open_run_dir(checkpoints.parent)
        if not path.is_dir():
            raise CheckpointError(f"{path}: there is no such checkpoint")
        return path.absolute()
    return best_checkpoint(open_run_dir(path))


def best_checkpoint(run_dir: RunDir) -> Path:
    """The checkpoint a run folder stands for.

    Raises:
        CheckpointError: there is none yet.
    """
    result = run_dir.read_run().get("result")
    if result is not None:
        return run_dir.path / CHECKPOINTS / str(result["best_checkpoint"])
    checkpoints = run_dir.checkpoints()
    if not checkpoints:
        raise CheckpointError(f"{run_dir.path} has no checkpoint yet")
    return checkpoints[-1]


def check_model_folder(path: Path) -> None:
    """Refuse what neither holds a run's checkpoint nor an adapter or a model, without opening it.

    Raises:
        RunDirError: it is none of these.
        CheckpointError: it is a run, and there is no such checkpoint, or none yet.
    """
    if is_run(path):
        find_checkpoint(path)
    elif not any((path / name).is_file() for name in OF_MODELS):
        raise RunDirError(describe_misfit(path))


def describe_misfit(path: Path) -> str:
    """Why a path stands for no model, in a line."""
    lack = _describe_lack(path, "run.json, adapter_config.json or config.json")
    advice = "" if path.exists() else "; a model of the hub is downloaded first"
    return f"{path} is not a run, an adapter or a model: {lack}{advice}"


def describe_no_adapter(path: Path) -> str:
    """Why a path stands for no adapter, in a line; of a folder in a run, which run that is."""
    lack = _describe_lack(path, "run.json or adapter_config.json")
    run = next((above for above in path.parents if RunDir(above).run_path.is_file()), None)
    inside = f"; it is in the run {run}" if run is not None and path.exists() else ""
    return f"{path} is not a run, a checkpoint or an adapter: {lack}{inside}"


@contextmanager
def naming_folder(folder: Path) -> Iterator[None]:
    """Begin an error about what an adapter's folder holds with the folder."""
    try:
        yield
    except AdapterError as error:
        raise AdapterError(f"{folder}: {error}") from error


def _describe_lack(path: Path, needed: str) -> str:
    if not path.exists():
        return "no such folder"
    return f"no {needed} in it" if path.is_dir() else "a file, not a folder"
