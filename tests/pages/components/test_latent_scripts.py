"""Geometry of the latent space in the browser is that of the library."""

from __future__ import annotations

import numpy as np
import pytest

from vae.code_distribution import CodeDistribution
from vae.geodesics import follow
from vae.latent import NeighbourDistances, bilinear, grid, neighbours, plane, slerp
from vae.likely_codes import blend, directions_in_noise, traverse

T = [-0.25, 0.0, 0.1, 0.5, 0.77, 1.0, 1.25]


def pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Ends of arcs, easy ones and those at which a formula can lose its digits."""
    rng = np.random.default_rng(3)
    a = rng.standard_normal(40)
    other = rng.standard_normal(40)
    other -= a * (a @ other) / (a @ a)  # at a right angle to a
    other *= np.linalg.norm(a) / np.linalg.norm(other)

    def turned(angle: float, length: float = 1.0) -> np.ndarray:
        return length * (np.cos(angle) * a + np.sin(angle) * other)

    return {
        "random": (a, rng.standard_normal(40)),
        "two dimensions": (np.array([1.2, -0.4]), np.array([-2.0, 0.3])),
        "unequal norms": (a, turned(2.0, 9.0)),
        "unequal and nearly opposite": (a, turned(np.radians(176), 3.0)),
        "right angle": (a, other),
        "nearly parallel": (a, turned(1e-4)),
        "very nearly parallel": (a, turned(3e-6)),
        "parallel": (a, 2 * a),
        "within rounding of parallel": (a, turned(1e-8)),
        "nearly opposite": (a, turned(np.pi - 1e-4)),
        "very nearly opposite": (a, turned(np.pi - 3e-6)),
        "opposite": (a, -a),
        "the same": (a, a),
        "zero start": (0 * a, a),
        "zero end": (a, 0 * a),
        "both zero": (0 * a, 0 * a),
        "tiny": (1e-30 * a, 1e-30 * turned(1.0)),
    }


@pytest.mark.parametrize("name", pairs())
def test_the_arc_is_that_of_python(run, name):
    a, b = pairs()[name]
    found = run(
        "sliders/weightings.js", "ts.map((t) => arc(a, b, t))", a=a.tolist(), b=b.tolist(), ts=T
    )
    expected = slerp(a, b, np.array(T))
    scale = max(1.0, np.abs(expected).max())
    assert np.abs(np.array(found) - expected).max() <= 1e-6 * scale
    assert np.array_equal(np.float32(found[1]), np.float32(a)), "the ends are exact"
    assert np.array_equal(np.float32(found[5]), np.float32(b))


def test_a_curve_is_followed_as_in_the_library(run):
    curve = np.random.default_rng(6).standard_normal((5, 7))
    found = run(
        "sliders/weightings.js", "ts.map((t) => through(curve, t))", curve=curve.tolist(), ts=T
    )
    assert np.array(found) == pytest.approx(follow(curve, np.array(T)), abs=1e-6)


def test_linear_and_bilinear_weightings_are_those_of_python(run):
    rng = np.random.default_rng(4)
    z, vectors = rng.standard_normal((2, 7)), rng.standard_normal((3, 7))
    data = {
        "weighting": "linear",
        "bases": [{"z": row.tolist()} for row in z],
        "vectors": vectors.tolist(),
    }
    found = run("sliders/weightings.js", "codesAt(data, [0.5, -2, 0.1])", data=data)
    assert found == pytest.approx(z + np.array([0.5, -2, 0.1]) @ vectors, abs=1e-6)
    corners = rng.standard_normal((4, 7))
    data = {"weighting": "bilinear", "bases": [], "vectors": corners.tolist()}
    for at in ([0.3, 0.8], [0, 0], [1, 0], [0, 1]):
        found = run("sliders/weightings.js", "codesAt(data, at)", data=data, at=at)
        assert found[0] == pytest.approx(bilinear(corners, np.array([at]))[0], abs=1e-6)


def test_blends_and_directions_in_noise_are_those_of_the_library(run):
    rng = np.random.default_rng(5)
    # Without a flow noise is the whitened code, so that the whole way can be compared.
    gaussian = CodeDistribution(rng.standard_normal(7), np.eye(7) + 0.1 * rng.random((7, 7)))
    corners, level = gaussian.sample(4), 0.5
    data = {"weighting": "bilinear", "level": level, "bases": []}
    data["vectors"] = gaussian.to_noise(corners, level).tolist()
    for at in ([0.3, 0.8], [0, 1]):
        found = run("sliders/weightings.js", "codesAt(data, at)", data=data, at=at)
        expected = blend(gaussian, corners, bilinear(np.eye(4), [at]), level)
        assert gaussian.from_noise(found, level) == pytest.approx(expected, abs=1e-5)
    directions, steps = rng.standard_normal((2, 7)), [1.5, -2.0]
    data = {
        "weighting": "linear",
        "level": level,
        "bases": [{"z": gaussian.to_noise(corners[0], level)[0].tolist()}],
        "vectors": directions_in_noise(gaussian, directions, level).tolist(),
    }
    found = run("sliders/weightings.js", "codesAt(data, at)", data=data, at=steps)
    expected = traverse(gaussian, corners[0], directions, np.array([steps]), level)
    assert gaussian.from_noise(found, level) == pytest.approx(expected, abs=1e-5)


def test_a_plane_leads_from_a_place_to_its_code_and_back(run):
    rng = np.random.default_rng(5)
    u, v = np.linalg.qr(rng.standard_normal((6, 2)))[0].T
    origin, kept = rng.standard_normal((2, 6))
    family = {"origin": origin.tolist(), "u": u.tolist(), "v": v.tolist()}
    there, back, held, place = run(
        "latent_map/geometry.js",
        """const plain = linearFamily(family)
        const through = linearFamily(family, kept)
        const { z } = plain.at(0.7, -1.2)
        const place = through.project(kept)
        return [z, plain.project(z), through.at(...place).z, place]""",
        family=family,
        kept=kept.tolist(),
    )
    assert there == pytest.approx(plane(origin, u, v, np.array([[0.7, -1.2]]))[0], abs=1e-6)
    assert back == pytest.approx([0.7, -1.2], abs=1e-6)
    assert held == pytest.approx(kept, abs=1e-6), "the plane goes through what is kept"
    assert place == pytest.approx([(kept - origin) @ u, (kept - origin) @ v], abs=1e-6)


def test_between_places_of_a_lattice_the_four_around_decide_and_the_place_stays(run):
    rng = np.random.default_rng(5)
    u, v = np.linalg.qr(rng.standard_normal((6, 2)))[0].T
    origin, side, bounds = rng.standard_normal(6), 5, (-2.0, 2.0, -1.0, 3.0)
    at = grid(bounds[:2], bounds[:1:-1], side, side)
    rest = rng.standard_normal((side**2, 6))
    rest -= rest @ np.outer(u, u) + rest @ np.outer(v, v)
    codes = plane(origin, u, v, at) + rest
    places = np.array([[-2, -1], [1, 3], [0.5, 0.5], [0.1, 1.7], [9, -8]])
    found = np.array(run(
        "latent_map/geometry.js",
        """places.map(([x, y]) => completedFamily(linearFamily(family), family, codes, side,
            bounds).at(x, y).z)""",
        family={"origin": origin.tolist(), "u": u.tolist(), "v": v.tolist()},
        codes=codes.ravel().tolist(),
        side=side,
        bounds=bounds,
        places=places.tolist(),
    ))  # fmt: skip
    assert (found - origin) @ np.stack([u, v]).T == pytest.approx(places, abs=1e-5)
    corner, edge = rest[0], rest[-2]
    assert found[:2] - plane(origin, u, v, places[:2]) == pytest.approx(
        np.stack([corner, edge]), abs=1e-5
    ), "on the lattice"
    between = 0.5 * (codes[7] + codes[12]) + 0.5 * (codes[8] + codes[13])
    assert found[2] == pytest.approx(between / 2, abs=1e-5)
    assert found[4] - plane(origin, u, v, places[4:])[0] == pytest.approx(rest[4], abs=1e-5)


def test_the_ellipse_of_a_gaussian_on_a_plane(run):
    rng = np.random.default_rng(6)
    u, v = np.linalg.qr(rng.standard_normal((5, 2)))[0].T
    variance = rng.uniform(0.1, 2, 5)
    family = {"origin": [0] * 5, "u": u.tolist(), "v": v.tolist()}
    oval = run(
        "latent_map/geometry.js",
        "linearFamily(family).ellipse(variance)",
        family=family,
        variance=variance.tolist(),
    )
    basis = np.stack([u, v])
    values, vectors = np.linalg.eigh(basis @ np.diag(variance) @ basis.T)
    assert oval["major"] == pytest.approx(2 * values[1] ** 0.5)
    assert oval["minor"] == pytest.approx(2 * values[0] ** 0.5)
    direction = np.array([np.cos(oval["angle"]), np.sin(oval["angle"])])
    assert abs(direction @ vectors[:, 1]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("d", [2, 9])
def test_the_nearest_codes_are_those_of_python(run, d):
    rng = np.random.default_rng(7)
    codes = rng.standard_normal((200, d)).astype(np.float32)
    for z in rng.standard_normal((5, d)).astype(np.float32):
        found = run(
            "latent_map/geometry.js",
            "nearestCodes(Float32Array.from(codes), z.length, z, 4)",
            codes=codes.ravel().tolist(),
            z=z.tolist(),
        )
        rows, distances = neighbours(codes, z, 4)
        assert [f["index"] for f in found] == rows.tolist()
        assert [f["distance"] for f in found] == pytest.approx(distances, abs=1e-6)


def test_the_grid_finds_what_a_plain_scan_finds(run):
    rng = np.random.default_rng(8)
    at = rng.standard_normal((300, 2)).astype(np.float32)
    at[:50] = at[0]  # many in one place
    wanted = rng.random(300) < 0.6
    places = [*rng.uniform(-4, 4, (20, 2)), at[7].astype(float)]
    found = run(
        "latent_map/geometry.js",
        """const grid = new Grid(Float32Array.from(xs), Float32Array.from(ys))
        return places.map(([x, y]) => [grid.nearest(x, y, 5, wanted).map((n) => n.distance),
            grid.inside(x, x + 1, y, y + 1, wanted, 1000).sort((a, b) => a - b)])""",
        xs=at[:, 0].tolist(),
        ys=at[:, 1].tolist(),
        wanted=wanted.astype(int).tolist(),
        places=[list(map(float, p)) for p in places],
    )
    for place, (distances, inside) in zip(places, found, strict=True):
        far = np.hypot(*(at[wanted].astype(float) - place).T)
        assert distances == pytest.approx(np.sort(far)[:5])
        held = ((at >= place) & (at <= np.add(place, 1))).all(1) & wanted
        assert inside == np.flatnonzero(held).tolist()


def test_a_place_between_codes_is_their_mean_and_fades_away_from_them(run):
    rng = np.random.default_rng(9)
    at, codes = rng.standard_normal((80, 2)), rng.standard_normal((80, 3))
    near, far, own = run(
        "latent_map/geometry.js",
        """const grid = new Grid(Float32Array.from(xs), Float32Array.from(ys))
        const family = nearestFamily(grid, Float32Array.from(codes), 3)
        return [family.at(0.1, 0.2), family.at(60, 60), family.project(codes.slice(0, 3))]""",
        xs=at[:, 0].tolist(),
        ys=at[:, 1].tolist(),
        codes=codes.ravel().tolist(),
    )
    low, high = codes.min(0), codes.max(0)
    z = np.array(near["z"])
    assert (low <= z).all() and (z <= high).all(), "a weighted mean stays within its codes"
    assert near["presence"] == 1 and far["presence"] == pytest.approx(0.12)
    assert own == pytest.approx(at[0], abs=1e-3), "a code lies where its point is"


def test_a_place_between_codes_blends_their_noise_as_the_library_does(run):
    rng = np.random.default_rng(3)
    places, codes = rng.uniform(0, 10, (40, 2)), rng.standard_normal((40, 3))
    gaussian = CodeDistribution(rng.standard_normal(3), np.eye(3) + 0.1 * rng.random((3, 3)))
    noise = gaussian.to_noise(codes, 0.5)
    found, flow, mean = run(
        "latent_map/geometry.js",
        """const grid = new Grid(Float32Array.from(x), Float32Array.from(y))
        const flat = Float32Array.from(codes)
        const options = { noise: Float32Array.from(noise), level: 0.5 }
        const family = nearestFamily(grid, flat, 3, options)
        const spacing = grid.spacing()
        const weights = grid.nearest(4, 6, 12).map(({ index, distance }, _, [{ distance: d }]) =>
          [index, Math.exp(-0.5 * (distance / (0.75 * Math.max(spacing, d))) ** 2)])
        return [family.at(4, 6).z, family.flow, weights]""",
        x=places[:, 0].tolist(),
        y=places[:, 1].tolist(),
        codes=codes.ravel().tolist(),
        noise=noise.ravel().tolist(),
    )
    rows, weights = np.array(mean).T
    expected = blend(gaussian, codes[rows.astype(int)], weights / weights.sum(), 0.5)
    assert flow == {"level": 0.5}
    assert gaussian.from_noise(np.array([found]), 0.5) == pytest.approx(expected, abs=1e-5)


def test_a_polygon_holds_what_lies_in_it(run):
    xs, ys = [0, 4, 4, 2, 0], [0, 0, 4, 1, 4]  # with a notch from above
    places = [(1, 1), (3, 1), (2, 0.5), (2, 2), (5, 1), (-1, 1), (0.2, 3)]
    found = run(
        "latent_map/geometry.js",
        "places.map(([x, y]) => insidePolygon(x, y, xs, ys))",
        places=places,
        xs=xs,
        ys=ys,
    )
    assert found == [True, True, True, False, False, False, True]


@pytest.mark.parametrize(
    "scale", [NeighbourDistances(0.2, 0.5), NeighbourDistances(*2 * [np.inf])]
)
def test_a_distance_is_called_the_same_in_the_browser(run, scale):
    distances = [0.0, 0.49, 0.5, 0.51, 1.0, 1.01, 50.0]
    found = run(
        "latent_map/geometry.js",
        "distances.map((distance) => zoneOf(distance, zones))",
        distances=distances,
        zones=[[end if np.isfinite(end) else None, zone] for end, zone in scale.zones],
    )
    assert found == [scale.describe(d) for d in distances]
