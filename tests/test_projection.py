import numpy as np
import pytest

from vae.projection import TSNE, fit_pca, fit_tsne

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
