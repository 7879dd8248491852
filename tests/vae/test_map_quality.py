"""Trustworthiness, continuity and agreement of neighbours on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from vae.map_quality import measure_maps, neighbour_agreement

RNG = np.random.default_rng(0)
CODES = RNG.standard_normal((400, 2))


def test_a_map_that_keeps_all_neighbours_has_one_of_both_and_noise_has_a_half():
    noise = RNG.standard_normal((400, 2))
    found = measure_maps(CODES, {"same": 3 * CODES[:, ::-1] + 1, "noise": noise})
    assert found["same"] == {"trustworthiness": 1.0, "continuity": 1.0}
    assert all(0.4 < value < 0.6 for value in found["noise"].values())


def test_what_is_folded_is_not_trusted_and_what_is_torn_is_not_continuous():
    plane = RNG.uniform(-1, 1, (600, 2))
    folded = np.stack([np.abs(plane[:, 0]), plane[:, 1]], 1)
    torn = plane + 10 * (plane[:, :1] > 0)
    found = measure_maps(plane, {"folded": folded, "torn": torn})
    assert found["folded"]["trustworthiness"] < 0.9 < found["folded"]["continuity"]
    assert found["torn"]["continuity"] < found["torn"]["trustworthiness"]
    assert found["torn"]["trustworthiness"] > 0.99


def test_neighbours_agree_by_chance_where_labels_are_shuffled():
    groups = np.repeat([0, 1, 2], [200, 100, 100])
    codes = CODES + 20 * groups[:, None]
    shuffled = RNG.permutation(groups)
    unknown = np.where(np.arange(400) < 380, -1, 0)
    found = neighbour_agreement(
        codes, {"group": groups, "shuffled": shuffled, "few": unknown, "one": np.zeros(400)}
    )
    assert set(found) == {"group", "shuffled"}
    chance = (200 * 199 + 2 * 100 * 99) / (400 * 399)
    assert found["group"] == {"equal": 1.0, "by_chance": pytest.approx(chance)}
    assert found["shuffled"]["equal"] == pytest.approx(chance, abs=0.03)


def test_no_code_is_its_own_neighbour_even_among_copies():
    codes = np.repeat(CODES[:30], 4, 0)
    labels = np.arange(120) % 2
    found = neighbour_agreement(codes, {"parity": labels})
    assert found["parity"]["equal"] < 0.5


def test_few_codes_are_not_measured():
    assert measure_maps(CODES[:49], {"same": CODES[:49]}) == {}
