"""A run's metrics, as a program."""

from __future__ import annotations

from pages.ui.shared.programs import program
from vae.runs.manager import Run

__all__ = ["run_as_python"]


def run_as_python(run: Run) -> str:
    """A program that reads the curves of a run, on the computer that trained it."""
    return program(
        "from vae.runs.metrics import read_metrics\nfrom vae.runs.manager import runs_folder",
        f"rows, _, _ = read_metrics(runs_folder() / {run.name!r})",
        "print(f\"{len(rows)} reports, the last of step {rows[-1]['step']:,}\")",
    )
