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
  RunError                  exit 3: the run could not go on
    NonFiniteError          loss, logits or scores are NaN or infinite
    NoOpError               something asked for did not happen: nothing adapted, pruned or scored
```
"""


class QarankError(Exception):
    """The user's mistake: one line, no traceback, exit code 2."""

    exit_code = 2


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


class RunError(QarankError):
    """The run could not go on; exit code 3."""

    exit_code = 3


class NonFiniteError(RunError):
    """Loss, logits or scores are NaN or infinite."""


class NoOpError(RunError):
    """Something asked for did not happen: nothing was adapted, pruned or scored."""
