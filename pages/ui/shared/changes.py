"""What changes things for everybody: the library's functions, for the presenter alone.

Pages take them from here and never from the library; `tests/test_architecture.py` holds them to
it.
"""

from __future__ import annotations

from pages.ui.shared.permissions import presenter_only
from vae import checkpoint, evaluation, exchange, imports
from vae.imported_models import importing
from vae.imports import classifying
from vae.runs import control as run_control
from vae.runs import folder, manager

__all__ = [
    "classify_import",
    "control",
    "delete_checkpoint",
    "delete_dataset",
    "delete_run",
    "evaluate",
    "import_images",
    "import_model",
    "import_networks",
    "import_source",
    "inspect_source",
    "measure",
    "rename_checkpoint",
    "rename_dataset",
    "resume_run",
    "save_run",
    "start_run",
    "write_note",
]

start_run = presenter_only(manager.start_run)
resume_run = presenter_only(manager.resume_run)
save_run = presenter_only(manager.save_run)
delete_run = presenter_only(manager.delete_run)
measure = presenter_only(manager.measure)
control = presenter_only(run_control.control)
write_note = presenter_only(folder.write_note)
inspect_source = presenter_only(imports.inspect_source)
import_source = presenter_only(imports.import_source)
import_images = presenter_only(imports.import_images)
rename_dataset = presenter_only(imports.rename_dataset)
delete_dataset = presenter_only(imports.delete_dataset)
import_model = presenter_only(exchange.import_model)
import_networks = presenter_only(importing.import_networks)
delete_checkpoint = presenter_only(checkpoint.delete_checkpoint)
rename_checkpoint = presenter_only(checkpoint.rename_checkpoint)
evaluate = presenter_only(evaluation.evaluate)
classify_import = presenter_only(classifying.classify_import)
