"""Data of one's own: imported once, from whatever holds them, into one format.

`import_source("~/photographs", "photographs")` makes `load_dataset("photographs")` work.
"""

from __future__ import annotations

from .exporting import export_dataset
from .importing import import_images, import_source, name_for, source_change
from .inspecting import Summary, inspect_source
from .managing import delete_dataset, rename_dataset, runs_that_need
from .planning import Options
from .reading import BrokenPictures, Cancelled
from .store import (
    ImportedDataset,
    find_dataset,
    find_import,
    list_damaged,
    list_datasets,
    list_versions,
)

__all__ = [
    "BrokenPictures",
    "Cancelled",
    "ImportedDataset",
    "Options",
    "Summary",
    "delete_dataset",
    "export_dataset",
    "find_dataset",
    "find_import",
    "import_images",
    "import_source",
    "inspect_source",
    "list_damaged",
    "list_datasets",
    "list_versions",
    "name_for",
    "rename_dataset",
    "runs_that_need",
    "source_change",
]
