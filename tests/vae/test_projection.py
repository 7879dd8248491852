import json
import subprocess
import sys

import numpy as np
import pytest

from vae import VAE, VAEConfig, load_dataset
from vae.checkpoint import load_card, load_codes
from vae.codes import write_reference
from vae.projection import TSNE, ProjectionError, fit_discriminants, fit_pca, fit_tsne, place_among

RNG = np.random.default_rng(0)


def blobs(n=120, d=6):
    centres = RNG.normal(size=(3, d)) * 12
    labels = np.arange(n) % 3
    return (centres[labels] + RNG.normal(size=(n, d))).astype("f4"), labels


def test_pca_inverts_and_its_residual_is_orthogonal():
    codes = (RNG.normal(size=(200, 5)) * [5, 3, 1, 0.5, 0.1]).astype("f4")
    pca = fit_pca(codes)
    np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(2), atol=1e-5)
    residual = codes - pca.inverse(pca.transform(codes))
    np.testing.assert_allclose(residual @ pca.components.T, 0, atol=1e-4)
    np.testing.assert_allclose(pca.deviations, pca.transform(codes).std(0, ddof=1), rtol=1e-3)
    whole = fit_pca(codes, 5)
    np.testing.assert_allclose(whole.inverse(whole.transform(codes)), codes, atol=1e-4)
    assert (np.diff(whole.deviations) <= 0).all()


@pytest.mark.parametrize("classes", [2, 4])
def test_discriminants_look_from_where_classes_lie_apart(classes):
    """Classes differ by little, along dimensions 3 and 4; the widest are others; 5 is dead."""
    labels = np.arange(400) % classes
    codes = np.random.default_rng(1).normal(size=(400, 6)) * [9, 5, 3, 0.1, 0.1, 0]
    codes[:, 3] += labels % 2
    codes[:, 4] += labels // 2
    plane = fit_discriminants(codes, labels)
    np.testing.assert_allclose(plane @ plane.T, np.eye(2), atol=1e-5)
    along = np.linalg.norm(plane[:, 3:5], axis=0)
    assert along[0] > 0.99 and (classes == 2 or along[1] > 0.99)
    if classes == 2:  # the other direction is the widest
        assert abs(plane[:, 0]).max() > 0.99


def test_a_class_of_one_code_counts_as_one_without_spread():
    rng = np.random.default_rng(0)
    codes, labels = rng.normal(size=(40, 3)), np.zeros(40, int)
    codes[-1], labels[-1] = (0, 0, 50), 1
    plane = fit_discriminants(codes, labels)
    assert np.allclose(plane @ plane.T, np.eye(2), atol=1e-5)
    assert abs(plane[0, 2]) > 0.9


def test_discriminants_of_codes_that_say_nothing_span_a_plane():
    plane = fit_discriminants(np.zeros((50, 3)), np.arange(50) % 10)
    assert plane.shape == (2, 3) and np.isfinite(plane).all()


def test_tsne_keeps_groups_apart_and_places_new_codes_among_their_own():
    codes, labels = blobs()
    tsne = fit_tsne(codes, perplexity=10)
    centres = np.stack([tsne.embedding[labels == k].mean(0) for k in range(3)])
    nearest = np.linalg.norm(tsne.embedding[:, None] - centres, axis=-1).argmin(1)
    assert (nearest == labels).mean() > 0.98
    placed = tsne.place(codes + 0.05)
    assert (np.linalg.norm(placed[:, None] - centres, axis=-1).argmin(1) == labels).mean() > 0.98
    again = TSNE(codes, tsne.embedding, perplexity=10).place(codes + 0.05)
    np.testing.assert_allclose(np.linalg.norm(again - placed, axis=1), 0, atol=1)
    np.testing.assert_allclose(np.linalg.norm(placed - tsne.embedding, axis=1), 0, atol=3)


def test_tsne_of_the_same_codes_is_the_same(monkeypatch):
    import openTSNE

    whole = openTSNE.TSNEEmbedding.optimize
    short = lambda self, n, **how: whole(self, 10, **how)  # noqa: E731
    monkeypatch.setattr(openTSNE.TSNEEmbedding, "optimize", short)
    codes, _ = blobs()
    first, again = (fit_tsne(codes, perplexity=10).embedding for _ in range(2))
    np.testing.assert_array_equal(first, again)


# Each case is fitted in a process of its own, which openTSNE could end with signal 11.
FIT = """
import json, os, sys, warnings
import numpy as np, openTSNE
from vae.projection import ProjectionError, fit_tsne

warnings.simplefilter("ignore")
whole = openTSNE.TSNEEmbedding.optimize
openTSNE.TSNEEmbedding.optimize = lambda self, n, **how: whole(self, 10, **how)
for count, dimensions, distinct, jitter, scale, offset in json.loads(sys.argv[1]):
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(distinct, dimensions))[np.arange(count) % distinct]
    codes = codes + jitter * rng.normal(size=codes.shape)
    codes = (codes * scale + offset).astype("f4")
    process = os.fork()
    if not process:
        try:
            found = fit_tsne(codes).embedding
            same = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
            one_place = all(np.ptp(found[same == k], axis=0).max() == 0 for k in set(same))
            print("embedded" if np.isfinite(found).all() and one_place else "wrong", flush=True)
        except ProjectionError:
            print("refused", flush=True)
        os._exit(0)
    if status := os.waitpid(process, 0)[1]:
        print("signal", os.WTERMSIG(status), flush=True)
"""


def test_tsne_never_ends_the_process_whatever_the_codes():
    """Equal and nearly equal codes, small and large ones, few, one dimension; never changed."""
    cases = {
        # codes, dimensions, distinct ones, jitter, scale, offset
        (40, 2, 1, 0, 1, 0): "refused",
        (40, 2, 1, 1e-30, 1, 0): "refused",
        (40, 2, 1, 1e-10, 1, 0): "refused",
        (40, 2, 1, 1e-7, 1, 0): "refused",
        (40, 2, 1, 1e-3, 1, 0): "embedded",
        (40, 2, 1, 1e-4, 1, 1_000): "refused",
        (40, 1, 40, 0, 1, 0): "refused",
        (1_100, 8, 1, 0, 1, 0): "refused",
        (1_100, 2, 15, 0, 1, 0): "refused",
        (200, 2, 16, 0, 1, 0): "embedded",
        (1, 2, 1, 0, 1, 0): "refused",
        (6, 2, 6, 0, 1, 0): "refused",
        (200, 2, 200, 0, 1e20, 0): "refused",
        (200, 2, 200, 0, 1e11, 0): "embedded",
        (200, 2, 200, 0, 1e-30, 0): "embedded",
        (40, 2, 1, 0, 0, 0): "refused",
    }
    command = [sys.executable, "-c", FIT, json.dumps(list(cases))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert dict(zip(cases, done.stdout.splitlines(), strict=True)) == cases


def test_codes_that_are_not_finite_are_refused_by_number():
    codes = blobs()[0]
    codes[7, 0], codes[9] = np.nan, np.inf
    for fit in (fit_tsne, fit_pca):
        with pytest.raises(ProjectionError, match="2 of 120 codes are not finite"):
            fit(codes)


@pytest.fixture
def few_iterations(monkeypatch):
    import openTSNE

    whole = openTSNE.TSNEEmbedding.optimize
    fewer = lambda self, n, **how: whole(self, 10, **how)  # noqa: E731
    monkeypatch.setattr(openTSNE.TSNEEmbedding, "optimize", fewer)


def test_equal_codes_share_a_place_and_count_once(few_iterations):
    codes = blobs(60)[0]
    places = fit_tsne(np.repeat(codes, 2, axis=0)).embedding
    np.testing.assert_array_equal(places[0::2], places[1::2])
    np.testing.assert_array_equal(places[0::2], fit_tsne(codes).embedding)


def test_too_few_distinct_codes_get_a_sentence_on_the_card(tmp_path, few_iterations):
    model, data = VAE(VAEConfig((1, 28, 28), latent_dim=2, channels=())), load_dataset("digits")
    equal = {"mean": np.ones((40, 2), "f4"), "variance": np.ones((40, 2), "f4")}
    equal["index"] = np.arange(40)
    write_reference(model, tmp_path, data, codes=equal)
    assert "tsne" not in load_codes(tmp_path)
    assert "found: 1 among 40" in load_card(tmp_path)["no_tsne"]
    write_reference(model, tmp_path, data, codes=equal | {"mean": blobs(40, 2)[0]})
    assert load_codes(tmp_path)["tsne"].shape == (40, 2)
    assert "no_tsne" not in load_card(tmp_path)


def test_tsne_says_which_perplexities_fit():
    with pytest.raises(ValueError, match="perplexity"):
        fit_tsne(blobs(30)[0], perplexity=30)


def test_codes_are_placed_among_their_nearest_and_known_ones_stay():
    rng = np.random.default_rng(0)
    known = np.concatenate([rng.normal(-9, 1, (60, 6)), rng.normal(9, 1, (60, 6))])
    places = np.concatenate([rng.normal((-5, 0), 0.1, (60, 2)), rng.normal((5, 0), 0.1, (60, 2))])
    assert np.allclose(place_among(known, known, places), places)
    assert np.allclose(place_among(known[:7], known, places), places[:7], atol=1e-3)
    new = rng.normal(9, 1, (2_100, 6))
    placed = place_among(new, known, places)
    assert placed.shape == (2_100, 2) and abs(placed - [5, 0]).max() < 1
    assert place_among(new[:1], known[:2], places[:2]).shape == (1, 2)
