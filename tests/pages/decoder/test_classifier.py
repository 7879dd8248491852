"""The classifier beside the decoder: what it sees in a picture, as the library says it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from decoding import numbers

from vae.checkpoint import find_checkpoint, load_checkpoint
from vae.classifier import Classifier, load_classifier
from vae.decoder_export import classifier_bytes
from vae.decoder_graph import GraphError

SEEN = """async ([zs, n]) => {
    const codes = Float32Array.from(zs), dims = d.latentDim, found = [];
    for (let i = 0; i < n; i++) {
        const z = codes.slice(i * dims, (i + 1) * dims);
        const asked = await d.decode(z, { classify: true, raw: true });
        const pointed = await new Promise((done) => d.latest(z, (p) => done(p.scores.slice())));
        found.push([asked.scores, pointed, asked.raw].map(pack));
    }
    const { scores } = await d.decode(codes.slice(0, dims));
    return [found, scores === null, d.classifier];
}"""


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (1, 9, 13), (3, 8, 8)])
def test_its_graph_is_the_network(shape, exclusive):
    torch.manual_seed(0)
    classifier = Classifier(shape, ("a", "b", "c"), exclusive)
    images = torch.rand(4, *shape)
    with torch.no_grad():
        torch.testing.assert_close(
            classifier.graph().run(images), classifier(images), atol=1e-5, rtol=1e-4
        )


def test_a_network_that_the_browser_does_not_run_is_refused():
    with pytest.raises(GraphError, match="_Residual"):
        classifier_bytes(Classifier((1, 28, 28), ("a", "b"), True, "residual"))


@pytest.mark.parametrize("name", ["digits", "faces"])
def test_the_browser_sees_in_a_picture_what_the_library_sees(page, opened, name):
    model, classifier = load_checkpoint(find_checkpoint(name)), load_classifier(name)
    assert opened(name)["exact"]
    z = np.random.default_rng(0).standard_normal((6, model.latent_dim)).astype(np.float32)
    found, unasked, about = page.evaluate(SEEN, [z.flatten().tolist(), len(z)])
    assert unasked and about["names"] == [n.replace("_", " ") for n in classifier.names]
    assert about["exclusive"] == classifier.exclusive
    for asked, pointed, raw in found:
        size = int(np.prod(classifier.image_shape))
        image = torch.from_numpy(numbers(raw, np.float32)[:size].copy())
        want = classifier.probabilities(image.reshape(1, *classifier.image_shape))[0].numpy()
        for scores in (asked, pointed):
            assert np.abs(numbers(scores, np.float32) - want).max() < 1e-4
