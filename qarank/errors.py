"""Every error qarank raises on purpose: one line that says what, where and what is allowed.

```
QarankError                 exit 2: the user's mistake
  RecipeError               a recipe key, value or override
  DataError                 a data set, data file or predictions file
  ModelError                a model or tokenizer that cannot be used
  HubError                  a hub name that cannot be reached or does not exist
  AdapterError              targets, r, or an adapter folder that does not fit the model
  ScheduleError             a budget schedule that does not fit the run
  AllocationError           a metric or budget the allocator cannot work with
  RunDirError               a run folder that is taken, finished or somebody else's
  CheckpointError           a checkpoint that is missing, damaged or of another run
  LaunchError               processes started in a way the run cannot use
  StoppedError              exit 128 + n: a signal asked the run to stop, and it did
  RunError                  exit 3: the run could not go on
    NonFiniteError          loss, logits or scores are NaN or infinite
    NoOpError               something asked for did not happen: nothing adapted, pruned or scored
    LostProcessError        another process of the run is gone or no longer of one mind
```
"""

import signal


class QarankError(Exception):
    """The user's mistake: one line, no traceback, exit code 2.

    Attributes:
        exit_code: of the process that ends with it.
        is_told: another process of the run says it; this one need not.
        is_own: of this process alone among those of its run; no other says it.
        hint: how to go on, said after the message.
    """

    exit_code = 2
    is_told = False
    is_own = False
    hint = ""


class RecipeError(QarankError):
    """A recipe key, value or override is wrong."""


class DataError(QarankError):
    """A data set, data file or predictions file is not what it should be."""


class ModelError(QarankError):
    """A model or tokenizer cannot be used."""


class HubError(QarankError):
    """A hub name cannot be reached, or does not exist."""


class AdapterError(QarankError):
    """Targets, r or an adapter folder do not fit the model."""


class ScheduleError(QarankError):
    """A budget schedule does not fit the run's steps."""


class AllocationError(QarankError):
    """The allocator cannot work with a metric, a budget or what it is to score."""


class RunDirError(QarankError):
    """A run folder is taken, finished or not ours."""


class CheckpointError(QarankError):
    """A checkpoint is missing, damaged or of another run."""


class LaunchError(QarankError):
    """Processes were started in a way the run cannot use."""


class StoppedError(QarankError):
    """A signal asked the run to stop, and it did; the exit code is 128 + the signal's number."""

    exit_code = 128 + signal.SIGTERM

    def __init__(self, message: str, signal_number: int = signal.SIGTERM) -> None:
        super().__init__(message, signal_number)
        self.message, self.exit_code = message, 128 + signal_number

    def __str__(self) -> str:
        """The message alone."""
        return self.message


class RunError(QarankError):
    """The run could not go on; exit code 3."""

    exit_code = 3


class NonFiniteError(RunError):
    """Loss, logits or scores are NaN or infinite."""


class NoOpError(RunError):
    """Something asked for did not happen: nothing was adapted, pruned or scored."""


class LostProcessError(RunError):
    """Another process of the run is gone, or has decided otherwise than this one."""
