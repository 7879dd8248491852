import numpy as np
import pytest

from vae.projection import TSNE, fit_discriminants, fit_pca, fit_tsne

RNG = np.random.default_rng(0)


def blobs(n=120, d=6):
    centres = RNG.normal(size=(3, d)) * 12
    labels = np.arange(n) % 3
    return (centres[labels] + RNG.normal(size=(n, d))).astype("f4"), labels


def test_pca_inverts_and_its_residual_is_orthogonal():
    codes = (RNG.normal(size=(200, 5)) * [5, 3, 1, 0.5, 0.1]).astype("f4")
    pca = fit_pca(codes)
    np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(2), atol=1e-5)
    again = pca.inverse(pca.transform(codes)) + pca.residual(codes)
    np.testing.assert_allclose(again, codes, atol=1e-4)
    np.testing.assert_allclose(pca.residual(codes) @ pca.components.T, 0, atol=1e-4)
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
    np.testing.assert_array_equal(tsne.embedding, fit_tsne(codes, perplexity=10).embedding)


def test_tsne_says_which_perplexities_fit():
    with pytest.raises(ValueError, match="perplexity"):
        fit_tsne(blobs(30)[0], perplexity=30)
