"""A run killed at many moments, all in one folder, and resumed each time.

A moment is a line of qarank's own code; see moments.py. Run with -rP to see where each kill was.
"""

import json
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import pytest

from tests.faults.launching import Launcher

T, TINIT, FINAL = 60, 14, 40  # as the recipe of conftest.py has them
KILLS = {  # scope -> how many, at which steps
    "step": (3, range(1, T)),
    "round": (2, [*range(15, FINAL, 3), FINAL]),
    "evaluation": (3, range(15, T + 1, 15)),
    "save": (6, range(6, T + 1, 6)),
    "deletion": (1, range(18, T + 1, 6)),
}
ORDER = [*KILLS]  # within a step
NUM_RESUMING, NUM_BY_TIME = 2, 2
MAX_DELAY_S = 0.3
Counts = dict[str, dict[int, int]]


@dataclass(frozen=True)
class Moment:
    """The number-th line that is new within a scope, after the start of a step."""

    scope: str
    step: int
    number: int


@dataclass(frozen=True)
class Kill:
    """What a kill hit."""

    scope: str
    step: int
    where: str


def draw_moments(random: Random, counts: Counts) -> list[Moment]:
    """In the order in which a run comes to them; no step of a scope twice.

    The moments of a scope are spread over it: one of six is in each sixth.
    """

    def draw(scope: str, step: int, part: int = 0, parts: int = 1) -> Moment:
        share = (part + random.random()) / parts
        return Moment(scope, step, 1 + int(share * count_at(counts, scope, step)))

    found: list[Moment] = []
    for scope, (how_many, steps) in KILLS.items():
        # A deletion does not come again where the save before it has been killed.
        saved = [moment.step for moment in found if moment.scope == "save"]
        open_steps = [step for step in steps if scope != "deletion" or step not in saved]
        for part, step in enumerate(random.sample(open_steps, how_many)):
            found.append(draw(scope, step, part, how_many))
    found.sort(key=lambda moment: (moment.step, ORDER.index(moment.scope)))
    # Where the attempt before has come beyond the first save, there is a checkpoint.
    places = [place for place in range(1, len(found)) if found[place - 1].step > 6]
    for place in sorted(random.sample(places, NUM_RESUMING), reverse=True):
        found.insert(place, draw("resuming", 0))
    return [*found, draw("ending", 0)]


def count_at(counts: Counts, scope: str, step: int) -> int:
    """Of a step that was not counted: as many as in another one."""
    of_scope = counts[scope]
    return of_scope.get(step, min(of_scope.values()))


class KilledRun:
    """A run in one folder, resumed by each attempt."""

    def __init__(self, launcher: Launcher, arguments: list[str], tmp_path: Path) -> None:
        self.launcher, self.arguments = launcher, [*arguments, "--resume"]
        self.folder, self.note = tmp_path / "run", tmp_path / "note"

    def kill_at(self, moment: Moment, *, torn: bool) -> Kill:
        """A torn kill leaves what was being written half written."""
        torn_dir = str(self.folder) if torn else None
        fault = {"moment": asdict(moment), "note": str(self.note), "torn": torn_dir}
        ended = self.launcher.run(*self.arguments, kill=fault)
        assert ended.code == -signal.SIGKILL, (moment, ended)
        return Kill(moment.scope, moment.step, self.note.read_text() + " torn" * torn)

    def kill_before(self, moment: Moment, seconds: float) -> Kill:
        """From outside, so long after it has gone on; it does not come beyond the moment."""
        stop = {"moment": asdict(moment), "numbers": [signal.SIGSTOP]}
        job = self.launcher.start(*self.arguments, send=stop)
        until = time.monotonic() + 30
        while "going on after step" not in job.err:
            assert time.monotonic() < until, job.err
            time.sleep(0.005)
        time.sleep(seconds)
        job.send(signal.SIGKILL)
        ended = self.launcher.wait(job)
        assert ended.code == -signal.SIGKILL, ended
        step = int(re.findall(r"going on after step (\d+)", ended.err)[0])
        return Kill("time", step, f"{seconds:.3f} s after going on")

    def finish(self) -> None:
        ended = self.launcher.run(*self.arguments)
        assert ended.code == 0, ended.err


@pytest.fixture(scope="module")
def counts(
    launcher: Launcher, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Counts:
    """How many moments there are, by scope and step, in a run that is resumed after step 6."""
    folder = tmp_path_factory.mktemp("counted")
    arguments = ["train", str(recipe_file), "--set", f"runs_dir={folder}"]
    run = KilledRun(launcher, arguments, folder)
    run.kill_at(Moment("step", 7, 1), torn=False)
    path = folder / "counts.json"
    ended = launcher.run(*run.arguments, count_moments={"path": str(path)})
    assert ended.code == 0, ended.err
    found: Counts = {}
    for scope, step, count in json.loads(path.read_text()):
        found.setdefault(scope, {})[step] = count
    return found


def phase_of(step: int) -> str:
    return "full" if step <= TINIT else "falling" if step < FINAL else "final"


@pytest.mark.parametrize("seed", [1])
def test_a_run_killed_at_20_moments_and_resumed_ends_bit_equal_to_one_never_stopped(
    seed: int,
    launcher: Launcher,
    counts: Counts,
    arguments: list[str],
    tmp_path: Path,
    assert_same: Callable[[Path], None],
) -> None:
    random = Random(seed)
    moments = draw_moments(random, counts)
    late = [moment for moment in moments if moment.step > TINIT]
    by_time = random.sample(late, NUM_BY_TIME)  # before these
    run = KilledRun(launcher, arguments, tmp_path)
    kills: list[Kill] = []
    for moment in moments:
        if moment in by_time:
            kills.append(run.kill_before(moment, random.uniform(0, MAX_DELAY_S)))
        torn = moment.scope == "save" or random.random() < 0.5
        kills.append(run.kill_at(moment, torn=torn))
    run.finish()
    for kill in kills:
        print(f"killed: {kill.scope:10} step {kill.step:2}  {kill.where}")
    scopes = Counter(kill.scope for kill in kills)
    assert len(kills) == 20
    assert scopes["save"] >= 5 and scopes["evaluation"] >= 2, scopes
    assert {phase_of(kill.step) for kill in kills} == {"full", "falling", "final"}
    assert_same(run.folder)
