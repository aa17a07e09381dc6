"""run.json: what a run is made of, where it stands, and how it ended."""

import logging
import os
from datetime import UTC, datetime
from typing import Any

from qarank.artifacts.run_dir import RunDir
from qarank.errors import RunError, StoppedError
from qarank.workflows.build import Setting
from qarank.workflows.facts import describe_environment
from qarank.workflows.fingerprint import fingerprint_run
from qarank.workflows.prepare import Prepared, describe_parts
from qarank.workflows.start import Start

LOG = logging.getLogger("qarank")
OF_AN_END = ("reason", "ended")  # of a run that failed or was stopped


def read_launch() -> str | None:
    """The launcher's id, the same after its restarts; None where there is none."""
    return os.environ.get("TORCHELASTIC_RUN_ID")


def describe_run(prepared: Prepared, start: Start, setting: Setting) -> dict[str, Any]:
    """What is known before the first step.

    A resumed run keeps what its first start found, and adds where and on what it went on.
    """
    environment = describe_environment(setting)
    if start.checkpoint is not None:
        resumed = {"at": environment["started"], "from": start.checkpoint.name}
        more = {key: environment[key] for key in ("versions", "hardware")}
        before = {key: start.run[key] for key in start.run if key not in OF_AN_END}
        before["launch"] = read_launch()
        return {**before, "resumed": [*start.run.get("resumed", []), resumed | more]}
    return {
        "name": prepared.recipe.name,
        "seed": prepared.recipe.seed,
        **environment,
        "version_2_with_negative": prepared.with_null,
        "data": describe_parts(prepared),
        "fingerprints": fingerprint_run(prepared),
        "launch": read_launch(),
        "plan": prepared.plan.to_dict(),
    }


class RunBook:
    """Keeps run.json true; on processes other than the main one it writes nothing.

    Args:
        run_dir: held by this run.
        facts: from describe_run.
        writes: whether this process writes.
    """

    def __init__(self, run_dir: RunDir, facts: dict[str, Any], *, writes: bool) -> None:
        self.run_dir, self.facts, self.writes = run_dir, facts, writes

    def note(self, **facts: Any) -> None:
        """Add facts, to be written with the next state."""
        self.facts |= facts

    def write(self, state: str, **more: Any) -> dict[str, Any]:
        """Write the run's state; returns all of run.json.

        Raises:
            RunError: it cannot be written.
        """
        run = {"state": state, **{k: v for k, v in self.facts.items() if k != "state"}, **more}
        if self.writes:
            self.run_dir.write_run(run)
        return run

    def write_failure(self, error: BaseException) -> None:
        """Note why the run ended before its end."""
        state = "stopped" if isinstance(error, StoppedError) else "failed"
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            self.write(state, reason=reason, ended=now)
        except RunError as second:  # as on a full disk: the first error is the one to tell
            LOG.warning("%s", second)
