"""Inside, at the edge of or outside the data: one notion, by likelihood where it was learned."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from pages.ui.shared import cache
from pages.ui.shared.inside import judge, judge_edited
from vae.code_distribution import CodeDistribution


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "checkpoints"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(folder.parent))
        tiny.make_learned(folder)
        yield folder


def test_draws_are_inside_and_what_lies_far_is_not():
    space = cache.latent_space("tiny-learned")
    drawn = [judge(space, z).zone for z in space.distribution.sample(100, seed=8)]
    assert drawn.count("inside") >= 90 and drawn.count("outside") <= 5
    away = space.distribution.mean + 6 * space.distribution.root[:, 0]
    for judged in (judge(space, away), judge_edited(space, away)):
        assert judged.zone == "outside" and judged.share == 0
        assert judged.words == "outside the data, too far out: less likely than all held-out codes"


@pytest.mark.parametrize(
    ("share", "zone", "words"),
    [
        (0.4, "inside", "inside the data: more likely than 40% of held-out codes"),
        (1.0, "inside", "inside the data: more likely than all held-out codes"),
        (0.03, "edge", "at the edge of the data: more likely than 3% of held-out codes"),
        (0.004, "outside", "too close to the average: less likely than 99% of held-out codes"),
    ],
)
def test_the_share_of_less_likely_codes_decides(monkeypatch, share, zone, words):
    space = cache.latent_space("tiny-learned")
    monkeypatch.setattr(CodeDistribution, "percentile", lambda *_: np.array([share]))
    z = space.mean.mean(0) + np.float32(1e-3 * share)  # not the mean of another test
    judged = judge(space, z)
    assert judged.zone == zone and words in judged.words


def test_without_a_learned_distribution_distances_judge_and_it_says_so():
    space = cache.latent_space("tiny-gaussian")
    near, far = judge(space, space.mean[4]), judge(space, space.mean[4] + 100)
    assert (near.zone, far.zone) == ("inside", "outside") and near.share is None
    assert "distance to the nearest code" in near.words
    far = judge_edited(space, space.mean[4] + 100)
    assert far.zone == "outside" and "Mahalanobis" in far.words
