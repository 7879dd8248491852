"""A concept with its report: a vector from labelled codes, what it is worth, and what it did.

python examples/concept.py --attribute glasses --strength 1 --out glasses.png
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from vae import concept_vector, load_checkpoint, load_dataset
from vae.checkpoint import load_codes
from vae.classifier import load_classifier
from vae.codes import FittedGaussian, decode
from vae.concepts.edits import attribute_table, edit_report, excluded_by
from vae.concepts.vectors import ReportCard, report_card, split_by_attribute


def main(arguments: list[str] | None = None) -> tuple[ReportCard, float, float]:
    """Adds the concept to somebody who lacks it.

    Returns:
        The vector's report, and the classifier's probability of the attribute before and after.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--attribute", default="glasses")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path("concept.png"))
    options = parser.parse_args(arguments)

    model, data, found = load_checkpoint("faces"), load_dataset("faces"), load_codes("faces")
    codes, rows = found["mean"], found["index"]
    table = attribute_table(data, rows)
    excluded = excluded_by(data, options.attribute)
    has, lacks = split_by_attribute(table, options.attribute, excluded)
    first = np.arange(len(codes)) < len(codes) // 2  # the vector never sees the others
    vector = concept_vector(codes[has & first], codes[lacks & first])
    card = report_card(
        codes[has & first],
        codes[lacks & first],
        vector,
        held_out=(codes[has & ~first], codes[lacks & ~first]),
    )
    for name, value in asdict(card).items():
        print(f"{name}: {value:.3g}" if value is not None else f"{name}: too few examples")

    row = int(np.flatnonzero(lacks & ~first)[0])
    z = np.stack([codes[row], codes[row] + options.strength * vector])
    pictures = decode(model, z)
    report = edit_report(
        load_classifier("faces"),
        pictures,
        z,
        codes,
        FittedGaussian.fit(codes, found["variance"]),
        leave=row,
    )
    before, after = report.before[options.attribute], report.after[options.attribute]
    print(f"the classifier sees {options.attribute}: {before:.1%} before, {after:.1%} after")
    print(f"the code is more unusual than {report.unusual:.0%} of those of real images")
    both = (255 * pictures).byte().permute(0, 2, 3, 1).numpy()
    Image.fromarray(np.concatenate([both[0], both[1]], 1)).resize((512, 256)).save(options.out)
    print(f"{options.out}: before and after.")
    return card, before, after


if __name__ == "__main__":
    main()
