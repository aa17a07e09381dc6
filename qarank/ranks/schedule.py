"""How much may be kept at each step, and at which steps a round decides what.

A budget counts triplets, or their parameters: the numbers are whatever the user of it counts.

Source: arXiv:2303.10512, section 3.3, as the released code has it (the paper's equation 14 slips a
sign: its numerator overshoots the start budget at t = tinit).
"""

from dataclasses import dataclass

from qarank.errors import ScheduleError


@dataclass(frozen=True)
class BudgetSchedule:
    """The cubic budget of AdaLoRA.

    Attributes:
        start_budget: before the first round, b0.
        target_budget: from step total_steps - tfinal on, bT; equal to b0 means no pruning.
        total_steps: optimizer steps of the run, T.
        tinit: steps at the full budget.
        tfinal: steps at the end with the budget at bT.
        delta_t: steps between two rounds.
        finalize: True fixes the pattern at step T - tfinal; False lets rounds go on at bT.

    Raises:
        ScheduleError: not 0 <= tinit < T - tfinal <= T, or not 0 <= bT <= b0.
    """

    start_budget: int
    target_budget: int
    total_steps: int
    tinit: int
    tfinal: int
    delta_t: int
    finalize: bool = True

    def __post_init__(self) -> None:
        """Check what needs the run's number of steps."""
        if not 0 <= self.tinit < self.final_step <= self.total_steps:
            raise ScheduleError(
                f"allocator.tinit {self.tinit} + allocator.tfinal {self.tfinal} do not fit a run "
                f"of {self.total_steps} steps: 0 <= tinit < steps - tfinal <= steps"
            )
        if not 0 <= self.target_budget <= self.start_budget:
            raise ScheduleError(
                f"the target budget is {self.target_budget}; 0..{self.start_budget}, the budget at "
                "the start, is allowed"
            )
        if self.delta_t < 1:
            raise ScheduleError(f"allocator.delta_t is {self.delta_t}; 1 or more is allowed")

    @property
    def final_step(self) -> int:
        """The first step at the target budget, T - tfinal."""
        return self.total_steps - self.tfinal

    def budget_at(self, global_step: int) -> int:
        """What the triplets that a round at this step keeps may cost."""
        if global_step <= self.tinit:
            return self.start_budget
        if global_step >= self.final_step:
            return self.target_budget
        left = 1 - (global_step - self.tinit) / (self.final_step - self.tinit)
        return int(self.target_budget + (self.start_budget - self.target_budget) * left**3)

    def is_round(self, global_step: int) -> bool:
        """Whether triplets are chosen after this step."""
        if global_step <= self.tinit or global_step > self.total_steps:
            return False
        if global_step == self.final_step:
            return True
        if self.finalize and global_step > self.final_step:
            return False
        return global_step % self.delta_t == 0

    def is_scored(self, global_step: int) -> bool:
        """Whether this step's gradients enter the averages."""
        return not self.finalize or global_step < self.final_step

    def is_fixed(self, global_step: int) -> bool:
        """Whether the pattern can no longer change after this step."""
        return self.finalize and global_step >= self.final_step

    def rounds(self) -> list[int]:
        """All steps with a round, in order."""
        first = self.tinit - self.tinit % self.delta_t
        candidates = {*range(first, self.total_steps + 1, self.delta_t), self.final_step}
        return [step for step in sorted(candidates) if self.is_round(step)]
