"""Every moment of a run: a line of qarank's own code about to be run, new within its scope.

A line counts anew for each line that calls it: a file's writing is another moment than the next's.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import qarank

PACKAGE = str(Path(qarank.__file__).parent)
STEP = "Trainer.train_step"
ENDING = "ending"  # after the last step, or after resuming from it
SCOPES = {  # a function by its qualified name, and all that it calls
    "prepare_run": "preparing",
    STEP: "step",
    "RankAllocator.after_optimizer_step": "round",
    "Evaluator.__call__": "evaluation",
    "Checkpointer.save": "save",
    "RunRecorder.drop_old": "deletion",
    "find_start": "resuming",
    "_make_ready": "resuming",
    "TrainingSession.restore": "resuming",
    "TrainingSession._compare_reloaded": ENDING,
    "TrainingSession._sum_up": ENDING,
    "Tracker.log_hparams": ENDING,
}


@dataclass(frozen=True)
class Moment:
    """A line: within which scope, after the start of which step, and the how manieth new one.

    Before the first step, and in a run's ending, the step is 0.
    """

    scope: str
    step: int
    number: int


class Watcher:
    """A trace function, for sys.settrace.

    Args:
        on_moment: told of each moment, and where the code is.
    """

    def __init__(self, on_moment: Callable[[Moment, str], None]) -> None:
        self.on_moment = on_moment
        self.counts: Counter[tuple[str, int]] = Counter()
        self._step = 0
        self._scopes: list[str] = []  # entered and not left, the innermost last
        self._seen: set[tuple[object, ...]] = set()
        self._is_own: dict[CodeType, bool] = {}

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if code not in self._is_own:
            self._is_own[code] = code.co_filename.startswith(PACKAGE)
        if not self._is_own[code]:
            return None
        if code.co_qualname == STEP:
            self._step = frame.f_locals["global_step"]
        scope = SCOPES.get(code.co_qualname)
        if scope is not None:
            self._scopes.append(scope)
            return self._trace_scope
        return self._trace_line if self._scopes else None

    def _trace_scope(self, frame: FrameType, event: str, arg: Any) -> Any:
        self._trace_line(frame, event, arg)
        if event == "return":
            self._scopes.pop()
        return self._trace_scope

    def _trace_line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line" and self._scopes:
            self._note(frame)
        return self._trace_line

    def _note(self, frame: FrameType) -> None:
        scope = (self._scopes[-1], 0 if self._scopes[-1] == ENDING else self._step)
        key = (*scope, *_places(frame, depth=3))
        if key not in self._seen:
            self._seen.add(key)
            self.counts[scope] += 1
            where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            moment = Moment(*scope, self.counts[scope])
            self.on_moment(moment, f"{where} {frame.f_code.co_qualname}")


def _places(frame: FrameType | None, *, depth: int) -> list[tuple[CodeType, int]]:
    """Where a frame is, and those that have called it."""
    places = []
    while frame is not None and len(places) < depth:
        places.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return places
