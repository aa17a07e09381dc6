"""The curves of one run's picture: what the rounds kept in all and by kind, cut and revived.

Dims: rounds.
"""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from qarank.report.log_axis import log_limits, make_log
from qarank.report.rank_map import COLOURS, FONT_SIZE
from qarank.report.trajectory import RoundFigures, mean_by_kind

DASHES = ("-", "--", ":", "-.")
MARKERS = "os^Dv*P"
MOST_NAMES = 24  # that fit beside the curves
WIDEST, NARROWEST = 3.8, 1.3  # points: of the curve below, and of the one on top
LOG_FROM = 8.0  # a largest value so many times the least is read better on a logarithmic axis
CUT = {  # figure of a round -> what it is
    "threshold": "threshold: largest cut",
    "margin": "margin to the least kept",
}
QUIET = "#888888"


class Trajectory:
    """One run's rounds, each followed by what it left until the next, the last until the end.

    Args:
        rounds: the earliest first; one at least.
        kinds: path -> kind of matrix.
        r: triplets of each matrix at the start.
        last_step: of what is known of the run; None of no more than the rounds.
    """

    def __init__(
        self,
        rounds: Sequence[RoundFigures],
        kinds: Mapping[str, str],
        *,
        r: int,
        last_step: int | None = None,
    ) -> None:
        self.rounds, self.kinds, self.r = rounds, kinds, r
        self.steps = [each.global_step for each in rounds]
        last, known = self.steps[-1], last_step or 0
        usual = last - self.steps[-2] if len(rounds) > 1 else 1
        self.end = known if known > last else last + usual

    def paint_totals(self, axes: Axes) -> None:
        """Triplets kept by all matrices, and what they were at the start."""
        totals = [float(each.triplets) for each in self.rounds]
        self._paint(axes, totals, color=COLOURS(0.9), marker=".", markersize=4)
        axes.axhline(self.r * len(self.kinds), linestyle=":", linewidth=1, color=QUIET)
        self._finish(axes, "triplets kept (dotted: at the start)")

    def paint_means(self, axes: Axes, beside: Axes) -> None:
        """A curve a kind, and their names in axes of their own.

        The curves get narrower from the first to the last and have their marks at rounds of their
        own, so that one on top of another leaves it to be seen.
        """
        means = [mean_by_kind(each.ranks, self.kinds) for each in self.rounds]
        count = len(means[0])
        spread = count if len(means) >= 2 * count else 1
        for number, kind in enumerate(means[0]):
            width = WIDEST - (WIDEST - NARROWEST) * number / max(count - 1, 1)
            self._paint(
                axes,
                [mean[kind] for mean in means],
                label=kind,
                linestyle=DASHES[number // 10 % len(DASHES)],  # after ten colours
                linewidth=width,
                marker=MARKERS[number % len(MARKERS)],
                markersize=width + 2.5,
                markevery=(number % spread, spread),
            )
        self._finish(axes, "mean rank by kind")
        beside.set_axis_off()
        if count <= MOST_NAMES:
            lines, names = axes.get_legend_handles_labels()
            beside.legend(lines, names, fontsize=FONT_SIZE - 2, frameon=False, loc="center left")

    def paint_cut(self, axes: Axes, beside: Axes) -> None:
        """The threshold of each round and the margin above it, and their names in other axes."""
        curves = {
            label: [_finite(getattr(each, name)) for each in self.rounds]
            for name, label in CUT.items()
        }
        positive = [value for curve in curves.values() for value in curve if value > 0]
        is_log = bool(positive) and max(positive) / min(positive) >= LOG_FROM
        for shade, (label, curve) in zip((0.9, 0.5), curves.items(), strict=True):
            shown = [value if value > 0 or not is_log else math.nan for value in curve]
            axes.plot(self.steps, shown, ".-", label=label, color=COLOURS(shade), markersize=4)
        gaps = "; a margin of 0 or less is a gap" if is_log else ""
        self._finish(axes, f"scores at the cut{gaps}")
        if is_log:
            make_log(axes.yaxis, log_limits(positive, room=0.06))
        beside.set_axis_off()
        lines, names = axes.get_legend_handles_labels()
        beside.legend(lines, names, fontsize=FONT_SIZE - 2, frameon=False, loc="center left")

    def paint_revivals(self, axes: Axes) -> None:
        """Triplets that each round kept though the one before had cut them."""
        revived = [each.revived for each in self.rounds]
        axes.vlines(self.steps, 0, revived, color=COLOURS(0.9), linewidth=1.5)
        axes.plot(self.steps, revived, ".", markersize=4, color=COLOURS(0.9))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        self._finish(axes, "triplets revived")
        axes.set_ylim(0, 1.08 * max(revived) or 1.0)

    def _paint(self, axes: Axes, values: Sequence[float], **style: object) -> None:
        """A stepped curve held until the end; its marks are at the rounds alone."""
        every = style.pop("markevery", (0, 1))
        assert isinstance(every, tuple)
        marked = list(range(len(values)))[every[0] :: every[1]]
        axes.plot(
            [*self.steps, self.end],
            [*values, values[-1]],
            drawstyle="steps-post",
            markevery=marked,
            **style,  # type: ignore[arg-type]
        )

    def _finish(self, axes: Axes, title: str) -> None:
        axes.set_ylim(bottom=0)
        room = 0.02 * (self.end - self.steps[0])
        axes.set_xlim(self.steps[0] - room, self.end + room)
        name_axes(axes, title)


def name_axes(axes: Axes, title: str) -> None:
    """A title above, whole steps below."""
    axes.set_title(title, fontsize=FONT_SIZE)
    axes.set_xlabel("step", fontsize=FONT_SIZE)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.tick_params(labelsize=FONT_SIZE)
    axes.spines[["top", "right"]].set_visible(False)


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.nan
