"""Estimators recover planted directions; report cards tell good vectors from noise."""

import numpy as np
import pytest
import torch

from vae import concept_vector
from vae.concepts.vectors import (
    adjusted_vectors,
    bootstrap_cosines,
    cosines,
    orthogonalised,
    pair_cosine,
    probe_vector,
    report_card,
    separation,
    split_by_attribute,
)

D = 12


def sample(n=4000, together=0.5, seed=0):
    """Codes in which two attributes add known vectors; `together` is how often they agree."""
    rng = np.random.default_rng(seed)
    a = rng.random(n) < 0.5
    b = np.where(rng.random(n) < together, a, ~a)
    va, vb = rng.standard_normal((2, D))
    codes = rng.standard_normal((n, D)) * 0.3 + a[:, None] * va + b[:, None] * vb
    return codes.astype(np.float32), {"a": a, "b": b}, {"a": va, "b": vb}


def cosine(a, b):
    return cosines([a, b])[0, 1]


def test_difference_of_means_is_exact_and_keeps_the_kind():
    z = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.equal(concept_vector(z, torch.zeros(5, 2)), torch.tensor([2.0, 3.0]))
    assert isinstance(concept_vector(z.numpy(), np.zeros(2)), np.ndarray)


@pytest.mark.parametrize("other", [np.empty((0, 3)), np.zeros((4, 2))])
def test_impossible_groups_are_refused(other):
    with pytest.raises(ValueError, match="expected"):
        concept_vector(np.zeros((2, 3)), other)


def test_the_joint_fit_undoes_confounding_where_the_difference_does_not():
    codes, table, true = sample(together=0.9)
    naive = concept_vector(codes[table["a"]], codes[~table["a"]])
    joint = adjusted_vectors(codes, table)
    assert cosine(naive, true["a"]) < 0.97
    for name in "ab":
        assert np.allclose(joint[name], true[name], atol=0.1)


def test_orthogonalising_to_a_vector_of_the_same_sample_takes_too_much():
    codes, table, true = sample(together=0.9)
    naive = {k: concept_vector(codes[v], codes[~v]) for k, v in table.items()}
    left = orthogonalised(naive["a"], [naive["b"]])
    assert left @ true["a"] < 0.8 * true["a"] @ true["a"]


def test_the_joint_fit_takes_classes_of_which_everybody_has_one():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 600)
    centres = rng.standard_normal((3, D))
    codes = centres[label] + 0.01 * rng.standard_normal((600, D))
    found = adjusted_vectors(codes, {str(k): label == k for k in range(3)})
    assert np.allclose(found["0"] - found["2"], centres[0] - centres[2], atol=0.01)


def test_orthogonalised_to_dependent_vectors():
    rng = np.random.default_rng(1)
    v, a, b = rng.standard_normal((3, D))
    left = orthogonalised(v, [a, b, a + b])
    assert abs(left @ a) < 1e-4
    assert abs(left @ b) < 1e-4
    assert np.allclose(orthogonalised(v, []), v)


def test_the_probe_has_the_length_of_the_difference_and_separates_better():
    rng = np.random.default_rng(2)
    mix = np.diag(np.r_[5.0, np.full(D - 1, 0.5)])  # one noisy dimension
    step = np.full(D, 0.4)
    a, b = (rng.standard_normal((1500, D)) @ mix + side * step for side in (1, 0))
    naive, probe = concept_vector(a, b), probe_vector(a, b)
    assert np.linalg.norm(probe) == pytest.approx(np.linalg.norm(naive), rel=1e-3)
    assert separation(probe, a, b)[1] > separation(naive, a, b)[1]


def test_sides_leave_out_those_who_show_what_excludes_it():
    table = {"glasses": np.array([1, 0, 0, 0], bool), "sunglasses": np.array([0, 1, 0, 0], bool)}
    with_it, without = split_by_attribute(table, "glasses", ("sunglasses",))
    assert with_it.tolist() == [True, False, False, False]
    assert without.tolist() == [False, False, True, True]
    classes = {"x": np.array([1, 0], bool), "y": np.array([0, 1], bool)}
    assert split_by_attribute(classes, "x", ("y",))[1].tolist() == [False, True]


def test_separation_agrees_with_counting():
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 5, (30, 1)), rng.integers(0, 4, (40, 1))
    d, auc = separation(np.ones(1), a, b)
    counted = ((a > b.T) + 0.5 * (a == b.T)).mean()
    assert auc == pytest.approx(counted)
    assert separation(-np.ones(1), a, b)[1] == pytest.approx(1 - counted)
    assert np.sign(d) == np.sign(a.mean() - b.mean())
    wide = separation(np.ones(1), 3.0 * a, 3.0 * b)
    assert wide[0] == pytest.approx(d)


def test_a_real_concept_beats_random_directions_and_noise_does_not():
    codes, table, _ = sample()
    good = report_card(codes[table["a"]], codes[~table["a"]])
    assert good.n_with == table["a"].sum()
    assert good.auc > good.random_auc_high
    assert good.stability > 0.95
    rng = np.random.default_rng(4)
    noise = report_card(*rng.standard_normal((2, 200, D)))
    assert abs(noise.auc - 0.5) < 0.15
    assert noise.stability < good.stability_low


def test_one_pair_can_be_neither_resampled_nor_held_out_unless_others_are_given():
    codes, table, _ = sample()
    a, b = codes[table["a"]], codes[~table["a"]]
    card = report_card(a[:1], b[:1])
    assert (card.stability, card.auc) == (None, None)
    card = report_card(a[:1], b[:1], held_out=(a[1:], b[1:]))
    assert 0.5 < card.auc <= 1
    assert len(bootstrap_cosines(a[:1], b[:1])) == 0


def test_pairs_that_agree_have_cosine_one():
    rng = np.random.default_rng(5)
    people = rng.standard_normal((6, D))
    step = rng.standard_normal(D)
    assert pair_cosine(people + step, people) == pytest.approx(1)
    assert pair_cosine(rng.standard_normal((400, D)), people[:1]) < 0.9
    assert pair_cosine(people[:1], people[1:2]) is None
