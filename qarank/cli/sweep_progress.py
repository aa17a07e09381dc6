"""All points of a sweep while they run: a table on a terminal, lines where there is none."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from qarank.cli.quantities import format_duration
from qarank.cli.render import format_value

if TYPE_CHECKING:
    from qarank.workflows.point_progress import PointProgress
    from qarank.workflows.sweep import Listener

TABLE_EVERY_S = 1.0
LINES_EVERY_S = 30.0
SHOWN_ROWS = 24  # of a table that is drawn again and again; those that run come first
STYLES = {"running": "bold", "finished": "green", "failed": "red", "stopped": "yellow"}

Look = Callable[[], "list[PointProgress]"]


@contextmanager
def follow_points(names: Sequence[str], *, shown: bool) -> "Iterator[Listener]":
    """A listener that shows on stderr what happens to points.

    Args:
        names: of all points, in order.
        shown: False shows nothing.
    """
    from qarank.workflows.sweep import Listener

    if not shown:
        yield Listener()
    elif sys.stderr.isatty():
        console = Console(stderr=True)
        with Live(console=console, auto_refresh=False, transient=True) as live:
            table = LiveTable(live)
            yield Listener(changed=table.change, ticked=table.tick)
    else:
        lines = PlainLines(names)
        yield Listener(changed=lines.change, ticked=lines.tick)


class Every:
    """True now and then.

    Args:
        seconds: between two times, at least.
        clock: seconds that only grow.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self.clock = seconds, clock
        self._latest: float | None = None

    def is_due(self) -> bool:
        """Whether it is time again; the first time it is."""
        now = self.clock()
        if self._latest is not None and now - self._latest < self.seconds:
            return False
        self._latest = now
        return True


class LiveTable:
    """Draws the points anew every second; what failed is said above, and stays."""

    def __init__(self, live: Live) -> None:
        self.live, self._due = live, Every(TABLE_EVERY_S)

    def change(self, name: str, state: str, note: str) -> None:
        """Say what cannot be seen in the table."""
        if note:
            self.live.console.print(Text(f"{name}: {state}: {note}"))

    def tick(self, look: Look) -> None:
        """Draw, where it is time."""
        if self._due.is_due():
            self.live.update(build_table(look()), refresh=True)


class PlainLines:
    """A line where a point changes, and now and then one a point that runs."""

    def __init__(
        self, names: Sequence[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._numbers = {name: number for number, name in enumerate(names, start=1)}
        self._due = Every(LINES_EVERY_S, clock)
        self._due.is_due()  # the first lines come after a while
        self._told: dict[str, int] = {}  # point -> step of its latest line

    def change(self, name: str, state: str, note: str) -> None:
        """Say it."""
        more = f": {note}" if note else ""
        number, total = self._numbers[name], len(self._numbers)
        typer.echo(f"point {number} of {total}: {name}, {state}{more}", err=True)

    def tick(self, look: Look) -> None:
        """Say how far those are that run, where it is time and they have moved."""
        if not self._due.is_due():
            return
        for point in look():
            if point.state == "running" and point.step > self._told.get(point.name, 0):
                self._told[point.name] = point.step
                typer.echo(f"{point.name}: {describe_point(point)}", err=True)


def describe_point(point: "PointProgress") -> str:
    """Its latest numbers in a line."""
    parts = [f"step {point.step:,}/{format_value(point.total_steps)}"]
    figures = {"loss": point.loss, "EM": point.exact, "F1": point.f1, "budget": point.budget}
    parts += [
        f"{name} {format_value(value)}" for name, value in figures.items() if value is not None
    ]
    if point.left_s is not None:
        parts.append(f"about {format_duration(point.left_s)} left")
    return "  ".join(parts)


def build_table(points: "Sequence[PointProgress]") -> Table:
    """A row a point: those that run, then those that ended, then those that wait."""
    table = Table(title=Text(_count_states(points)), title_justify="left")
    table.add_column("point", overflow="fold")
    table.add_column("state")
    for column in ("step", "loss", "EM", "F1", "budget", "left"):
        table.add_column(column, justify="right")
    order = {"running": 0, "failed": 1, "stopped": 2, "finished": 3, "waiting": 4}
    chosen = sorted(points, key=lambda point: order[point.state])[:SHOWN_ROWS]
    for point in points:
        if point in chosen:
            table.add_row(*_cells(point), style=STYLES.get(point.state, "dim"))
    if len(chosen) < len(points):
        table.caption = f"and {len(points) - len(chosen)} more"
    return table


def _cells(point: "PointProgress") -> list[Text]:
    steps = f"{point.step:,}/{point.total_steps:,}" if point.total_steps else "-"
    left = "-" if point.left_s is None else format_duration(point.left_s)
    figures = [format_value(each) for each in (point.loss, point.exact, point.f1, point.budget)]
    return [Text(cell) for cell in (point.name, point.state, steps, *figures, left)]


def _count_states(points: "Sequence[PointProgress]") -> str:
    states = [point.state for point in points]
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    left = [point.left_s for point in points if point.left_s is not None]
    return ", ".join(counts) + (
        f"; those that run: {format_duration(max(left))} left" if left else ""
    )
