"""What the files of a sweep are called, beside its runs' folders."""

PLATES = ("budget", "learning_curves", "ranks", "trajectories")  # in the order of the page
SUMMARY, POINTS, GROUPS = "summary.json", "summary.csv", "summary_groups.csv"
MARKDOWN = "summary.md"
TABLES = (SUMMARY, POINTS, GROUPS, MARKDOWN)
PAGE = "report.html"


def picture_name(plate: str) -> str:
    """Of a plate's PNG."""
    return f"{plate}.png"


SWEEP_FILES = (*TABLES, PAGE, *map(picture_name, PLATES))  # all that a sweep writes
