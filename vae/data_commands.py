"""The commands `import`, `datasets`, `classifier` and `import-model`."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .imports import ImportedDataset, Summary

__all__ = ["import_data", "import_own_model", "list_imports", "train_for_import"]

_ASKED = ("likelihood", "output", "encoder_output", "spread", "latent_shape", "image_shape",
          "pixel_range", "sigma")  # fmt: skip
_LISTED = 10  # files left out that are printed


def import_data(options: argparse.Namespace) -> int:
    """Imports a source, or looks at it, and prints the result.

    Raises:
        DatasetError: if the source has no name, or cannot be imported.
    """
    from .datasets import DatasetError
    from .imports import import_source, inspect_source, name_for

    display = options.display
    how = {
        "image_size": options.image_size,
        "colour": options.colour,
        "fit": options.fit,
        "labels": options.labels,
        "skip_broken": options.skip_broken,
        "progress": lambda done, message: display.fraction(done),
        "follow_links": True,  # whoever names a folder here owns its links
    }
    if not options.source.strip():
        raise DatasetError(
            "The source has no name: give a folder, an archive or a file of arrays."
        )
    display.log(f"Reading {options.source}.")
    if options.look:
        summary = inspect_source(options.source, **how)
        print(json.dumps(_summarised(summary)) if options.json else _summary_text(summary))
        return 0
    made = import_source(options.source, options.name or name_for(options.source), **how)
    if options.json:
        print(json.dumps(_described(made) | {"told": list(made.told), "card": made.card}))
        return 0
    print("\n".join([_line(made), *made.told, *made.card["notices"], *_left_out(made)]))
    print(f"python -m vae train --dataset {made.name} --out FOLDER trains on it.")
    return 0


def list_imports(options: argparse.Namespace) -> int:
    """Prints all imports."""
    from .imports import list_datasets

    imports = list_datasets()
    if options.json:
        print(json.dumps({"datasets": [_described(found) for found in imports]}))
    elif not imports:
        print("Nothing is imported yet: python -m vae import SOURCE --name NAME does so.")
    else:
        print("\n".join(map(_line, imports)))
    return 0


def train_for_import(options: argparse.Namespace) -> int:
    """Trains the classifier of an import and prints its accuracy."""
    from .imports.classifying import classify_import

    display = options.display
    display.log(f"Training a classifier on the pictures of {options.dataset}.")
    made = classify_import(
        options.dataset,
        epochs=options.epochs,
        progress=lambda done, count: display.progress(done, count, "pass"),
    )
    if options.json:
        fields = {"dataset": made.dataset, "names": made.names, "accuracy": made.accuracy}
        print(json.dumps(fields | {"refused": made.refused}))
        return 0
    print(f"A classifier of {made.dataset} is kept. Right on held-out pictures:")
    print("\n".join(f"  {label}: {share:.1%}" for label, share in made.accuracy.items()))
    for label, why in made.refused.items():
        print(f"Left out: {label} ({why}).")
    return 0


def import_own_model(options: argparse.Namespace) -> int:
    """Imports networks as a model, and prints what was found out.

    Raises:
        ImportedModelError: if a file cannot be used, or an option has to be given.
    """
    from .imported_models.importing import import_networks
    from .imported_models.onnx_file import ImportedModelError

    display = options.display
    source = options.decoder or options.codes or options.encoder or ""
    name = options.name or re.sub(r"[^A-Za-z0-9._-]+", "-", Path(source).stem)[:64]
    asked = {name: getattr(options, name) for name in _ASKED}
    try:
        made = import_networks(
            options.decoder,
            options.encoder,
            name=name,
            dataset=options.dataset,
            codes=options.codes,
            limit=options.limit,
            tsne=options.tsne,
            progress=lambda done, message: display.fraction(done),
            **asked,
        )
    except ImportedModelError as problem:
        raise ImportedModelError(_with_options(str(problem))) from problem
    if options.json:
        print(json.dumps({"name": made.name, "folder": str(made.folder), "told": made.told}))
        return 0
    print("\n".join([f"{made.name} is imported, and opens on every page.", *made.told]))
    return 0


def _with_options(words: str) -> str:
    """A message on arguments of `import_networks`, with the command's options instead."""

    def option(found: re.Match[str]) -> str:
        value = re.sub(r"[() ']", "", found[2] or "")
        return f"--{found[1].replace('_', '-')}{' ' * bool(value)}{value}"

    names = "|".join(_ASKED)
    with_value = rf"\b({names})=(\([^)]*\)|'[^']*'|[\w.]+)"
    words = re.sub(with_value, option, words)
    alone = "|".join(name for name in _ASKED if "_" in name)  # others are words as well
    return re.sub(rf"(?<![\w-])({alone})()(?!\w)", option, words)


def _described(made: ImportedDataset) -> dict[str, Any]:
    return {
        "name": made.name,
        "version": made.version,
        "folder": str(made.folder),
        "shape": list(made.shape),
        "counts": made.counts,
        "classes": made.card["classes"],
        "columns": made.card["columns"],
        "bytes": made.bytes,
    }


def _line(made: ImportedDataset) -> str:
    count, channels, height, width = made.shape
    counts = ", ".join(f"{n:,} {split}" for split, n in made.counts.items())
    kind = "grey" if channels == 1 else "colour"
    return (
        f"{made.reference}: {count:,} pictures ({counts}), {width}×{height}, {kind}, "
        f"{made.bytes / 1e6:,.1f} MB"
    )


def _left_out(made: ImportedDataset) -> list[str]:
    listed = made.card["left_out"][:_LISTED]
    more = made.card["left_out_count"] - len(listed)
    lines = [f"Left out: {entry['name']} ({entry['why'].rstrip('.')})." for entry in listed]
    return [*lines, *([f"Left out: {more:,} more, which its card.json names."] if more else [])]


def _summarised(summary: Summary) -> dict[str, Any]:
    fields = {name: getattr(summary, name) for name in summary.__dataclass_fields__}
    del fields["pictures"]
    sizes = [[*size, count] for size, count in summary.sizes.items()]
    return fields | {"sizes": sizes}


def _summary_text(summary: Summary) -> str:
    channels, height, width = summary.image_shape
    counts = ", ".join(f"{n:,} {split}" for split, n in summary.counts.items())
    lines = [
        f"{summary.count:,} of {summary.total:,} pictures ({counts}) would be imported at "
        f"{width}×{height}, {'grey' if channels == 1 else 'colour'}."
    ]
    if summary.checked < summary.total:
        lines.append(f"{summary.checked:,} of them were decoded for this; the import decodes all.")
    if summary.classes:
        lines.append("Classes: " + ", ".join(f"{n} ({k:,})" for n, k in summary.classes.items()))
    lines += [f"Column {c['name']}: {c['kind']}" for c in summary.columns]
    lines += [f"Cannot be read: {why}" for _, why in summary.broken[:_LISTED]]
    lines += [f"Left out: {name} ({why})." for name, why in summary.left_out[:_LISTED]]
    return "\n".join([*lines, *summary.notices])
