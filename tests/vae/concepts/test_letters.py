"""A concept learnt on half of the alphabet, in the letters and fonts that it was not learnt on."""

import numpy as np

from vae import concept_vector, load_checkpoint, load_dataset
from vae.classifier import load_classifier
from vae.codes import decode, encode


def test_bold_learnt_on_the_first_letters_works_on_the_others():
    model, judge = load_checkpoint("glyphs"), load_classifier("glyphs")
    train, heldout = load_dataset("glyphs", "train"), load_dataset("glyphs")
    codes = encode(model, train.images, bound=False)["mean"]
    first, bold = train.labels.numpy() < 13, train.attributes["bold"].numpy()
    vector = concept_vector(codes[first & bold], codes[first & ~bold])

    letter = heldout.labels.numpy()
    rows = np.flatnonzero((letter >= 13) & ~heldout.attributes["bold"].numpy())
    z = encode(model, heldout.images, bound=False)["mean"][rows]
    before, after = (
        judge.predictions(decode(model, codes)).numpy() for codes in (z, z + 1.5 * vector)
    )
    column = judge.names.index("bold")
    assert before[:, column].mean() < 0.15
    assert after[:, column].mean() > 0.97
    columns = [judge.names.index(heldout.classes[k]) for k in letter[rows]]
    assert after[np.arange(len(rows)), columns].mean() > 0.97, "each is still the same letter"
