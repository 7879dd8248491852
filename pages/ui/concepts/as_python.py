"""An edit and its report as a Python program."""

from __future__ import annotations

from pages.ui.concepts.edit import Edit
from pages.ui.shared.concepts import is_ready_made
from pages.ui.shared.programs import array, codes_of, dataset_of, opening, program

__all__ = ["edit_as_python"]


def edit_as_python(edit: Edit) -> str:
    """A program that makes the concept vectors, adds them to a code, and asks the classifier."""
    space = edit.space
    imports, lines = opening(space)
    imports += "\nimport numpy as np\nfrom vae.codes import decode"
    parts = [lines, codes_of(space, z=edit.pin), ""]
    ready = [is_ready_made(space, concept) for concept in edit.active]
    if any(ready):
        imports += (
            "\nfrom vae import load_dataset\nfrom vae.concepts.edits import attribute_table"
            "\nfrom vae.concepts.vectors import adjusted_vectors"
        )
        parts += [
            f"data = {dataset_of(space)}",
            'table = attribute_table(data, codes["index"])',
            'fit = np.arange(len(codes["index"])) % 2 == 0  # the others test the vectors',
            "some = {k: v[fit] for k, v in table.items() if 0 < v[fit].sum() < fit.sum()}",
            'vectors = adjusted_vectors(codes["mean"][fit], some)',
            "",
        ]
    steps = []
    for number, (concept, strength) in enumerate(zip(edit.active, edit.strengths, strict=True)):
        if ready[number]:
            steps.append(f"{strength:.3g} * vectors[{concept.target!r}]")
        else:
            parts.append(f"own_{number + 1} = {array(concept.at(edit.pin.z))}")
            steps.append(f"{strength:.3g} * own_{number + 1}")
    parts += [
        f'edited = (z + {" + ".join(steps)}).astype("float32")',
        "pictures = decode(model, np.stack([z, edited]))  # before and after, (2, C, H, W)",
        'print(f"Distance in latent space {np.linalg.norm(edited - z):.2f}")',
    ]
    targets = [
        name for name in edit.targets if space.classifier and name in space.classifier.names
    ]
    if targets:
        imports += "\nfrom vae.classifier import load_classifier"
        parts += [
            f"classifier = load_classifier({space.dataset.name!r})",
            "before, after = classifier.probabilities(pictures)",
            f"for name in {targets!r}:",
            "    k = classifier.names.index(name)",
            '    print(f"{name}: {before[k]:.0%} before, {after[k]:.0%} after")',
        ]
    return program(imports, *parts)
