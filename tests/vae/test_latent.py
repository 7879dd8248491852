import itertools

import numpy as np
import pytest
import torch

from vae.latent import (
    UNJUDGED,
    NeighbourDistances,
    bilinear,
    density,
    evenly,
    grid,
    intervals,
    lerp,
    neighbours,
    plane,
    slerp,
)

RNG = np.random.default_rng(0)


def pair(d=5, a=1.0, b=3.0):
    u, v = RNG.normal(size=(2, d))
    return (a * u / np.linalg.norm(u)).astype("f4"), (b * v / np.linalg.norm(v)).astype("f4")


@pytest.mark.parametrize("walk", [lerp, slerp])
@pytest.mark.parametrize("d", [1, 2, 5, 64])
def test_ends_are_exact_and_swapping_them_reverses_the_path(walk, d):
    a, b = pair(d)
    path = walk(a, b, 9)
    assert path.shape == (9, d)
    assert np.array_equal(path[0], a) and np.array_equal(path[-1], b)
    np.testing.assert_allclose(path, walk(b, a, 9)[::-1], atol=1e-5)


def test_slerp_turns_evenly_and_changes_its_norm_linearly():
    a, b = pair()
    path = slerp(a, b, 9).astype("f8")
    norms = np.linalg.norm(path, axis=1)
    np.testing.assert_allclose(norms, np.linspace(1, 3, 9), atol=1e-5)
    unit = path / norms[:, None]
    turns = np.arccos((unit[1:] * unit[:-1]).sum(1))
    np.testing.assert_allclose(turns, turns.mean(), atol=1e-3)


@pytest.mark.parametrize("degrees", [1e-6, 170, 176, 179.99, 180])
def test_slerp_stays_bounded_with_unequal_norms_at_nearly_opposite_ends(degrees):
    angle = np.radians(degrees)
    path = slerp(np.array([1.0, 0]), 3 * np.array([np.cos(angle), np.sin(angle)]), 50)
    assert np.linalg.norm(path, axis=1).max() <= 3 + 1e-5


@pytest.mark.parametrize("b", [[2.0, 2.0], [-1.0, -1.0], [0.0, 0.0]])
def test_slerp_is_lerp_where_there_is_no_arc(b):
    a = np.array([1.0, 1.0])
    np.testing.assert_allclose(slerp(a, np.array(b), 7), lerp(a, np.array(b), 7))


def test_paths_overshoot_and_keep_the_kind_of_their_ends():
    a, b = torch.zeros(3), torch.ones(3)
    assert torch.allclose(lerp(a, b, np.array([1.5])), torch.full((1, 3), 1.5))
    assert isinstance(slerp(a, b, 4), torch.Tensor)
    with pytest.raises(ValueError, match="expected two codes"):
        lerp(a, torch.ones(4), 3)


def test_plane_and_grid_place_points_where_they_are_read():
    at = grid((-1, 1), (-2, 2), 3, 2)
    assert at.tolist() == [[-1, 2], [0, 2], [1, 2], [-1, -2], [0, -2], [1, -2]]
    z = plane(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([0, 0, 2.0]), at)
    assert z[0].tolist() == [1, -1, 4] and z.shape == (6, 3)


def test_neighbours_are_the_nearest_codes_in_order():
    codes = RNG.normal(size=(300, 8)).astype("f4")
    for count, far in ((4, 0), (50, 0), (50, 1e4)):  # few are searched one by one, many at once
        points = (codes + far).astype("f4")
        queries = points[:count] + RNG.normal(size=(count, 8)).astype("f4")
        rows, distances = neighbours(points, queries, 6)
        full = np.linalg.norm(queries[:, None].astype("f8") - points[None], axis=-1)
        np.testing.assert_allclose(distances, np.sort(full, 1)[:, :6], rtol=1e-4)
        np.testing.assert_array_equal(rows, np.argsort(full, 1)[:, :6])
    one, at = neighbours(codes, codes[17], 1)
    assert one.tolist() == [17] and at[0] == 0
    assert len(neighbours(codes[:3], codes[0], 10)[0]) == 3
    with pytest.raises(ValueError, match="dimensions"):
        neighbours(codes, np.zeros(3), 2)


def test_a_square_has_its_four_codes_in_the_corners_and_paths_as_its_sides():
    corners = RNG.normal(size=(4, 6)).astype("f4")
    at = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    np.testing.assert_array_equal(bilinear(corners, at), corners)
    t = np.linspace(0, 1, 5)
    sides = {
        (0, 1): np.stack([t, 0 * t], 1),
        (2, 3): np.stack([t, 0 * t + 1], 1),
        (0, 2): np.stack([0 * t, t], 1),
    }
    for (i, j), along in sides.items():
        np.testing.assert_allclose(
            bilinear(corners, along), lerp(corners[i], corners[j], 5), atol=1e-6
        )
    np.testing.assert_allclose(bilinear(corners, [[0.5, 0.5]])[0], corners.mean(0), atol=1e-6)
    with pytest.raises(ValueError, match="four codes"):
        bilinear(corners[:3], at)


def test_a_square_is_symmetric_under_swaps():
    corners, at = RNG.normal(size=(4, 3)), RNG.random((20, 2))
    mirrored = bilinear(corners[[1, 0, 3, 2]], np.stack([1 - at[:, 0], at[:, 1]], 1))
    turned = bilinear(corners[[0, 2, 1, 3]], at[:, ::-1])
    for other in (mirrored, turned):
        np.testing.assert_allclose(bilinear(corners, at), other, atol=1e-6)


def test_distances_of_neighbours_grow_with_the_scale_and_tell_inside_from_far():
    lattice = np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), -1).reshape(-1, 2)
    measured = NeighbourDistances.of(lattice)
    assert measured.usual == measured.far == pytest.approx(1)
    assert measured.describe(0.99) == "inside the data"
    assert measured.describe(1.99) == "at the edge of the data"
    assert measured.describe(2.01) == "far from any data"
    codes = RNG.normal(size=(200, 4))
    small, large = NeighbourDistances.of(codes), NeighbourDistances.of(3 * codes)
    assert small.usual < small.far
    np.testing.assert_allclose((large.usual, large.far), (3 * small.usual, 3 * small.far), 1e-5)
    assert small.judged


@pytest.mark.parametrize(
    "codes",
    [RNG.normal(size=(n, 3)) for n in (1, 2, 19)] + [np.ones((100, 3)), np.zeros((25, 1))],
    ids=["one", "two", "few", "copies", "zeros"],
)
def test_too_few_different_codes_judge_no_distance(codes):
    measured = NeighbourDistances.of(codes)
    assert not measured.judged
    assert measured.describe(0) == measured.describe(1e9) == UNJUDGED


def test_rows_are_picked_evenly_ends_included():
    assert evenly(np.arange(10, 111), 5).tolist() == [10, 35, 60, 85, 110]
    assert evenly(np.arange(3), 7).tolist() == [0, 1, 2]
    assert evenly(np.arange(0), 7).tolist() == evenly(np.arange(9), 0).tolist() == []


@pytest.mark.parametrize("shift", [0, 100])
def test_density_counts_the_codes_within_reach(shift):
    codes = RNG.normal(size=(400, 5)) + shift
    path = lerp(codes[0], codes[1], 9).astype("f8")
    full = np.linalg.norm(path[:, None] - codes[None], axis=-1)
    for radius in (0.5, 1.5, 3):
        np.testing.assert_array_equal(density(codes, path, radius), (full <= radius).sum(1))
    assert density(codes, codes[:9], 1e-3).min() >= 1
    assert density(codes, path + 50, 3).max() == 0


def test_density_along_a_path_is_symmetric_under_swap():
    codes = RNG.normal(size=(300, 3)).astype("f4")
    there, back = lerp(codes[3], codes[7], 15), lerp(codes[7], codes[3], 15)
    counts = density(codes, there, 0.7)
    np.testing.assert_array_equal(counts, density(codes, back, 0.7)[::-1])
    assert counts.max() > counts.min()


def test_intervals_cover_exactly_the_points_where_something_holds():
    at = np.linspace(-0.5, 1.5, 21)
    for _ in range(20):
        inside = RNG.random(21) < 0.5
        found = intervals(inside, at)
        covered = np.zeros(21, dtype=bool)
        for start, end in found:
            covered |= (at >= start) & (at <= end)
        np.testing.assert_array_equal(covered, inside)
        assert all(a[1] < b[0] for a, b in itertools.pairwise(found))
    assert intervals(np.ones(21, dtype=bool), at) == [(-0.5, 1.5)]
    assert intervals(np.zeros(21, dtype=bool), at) == []
