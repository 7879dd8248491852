"""Drawn faces: what people are made of, what a change changes, and what the cache keeps."""

import itertools
import math
import mmap
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import soak
from joblib.externals.loky import get_reusable_executor

from vae.datasets.faces import (
    ATTRIBUTES,
    EXCLUSIVE,
    Person,
    attributes,
    cache_folder,
    counterfactual,
    draw,
    load,
    load_faces,
    person,
    sample_people,
    sample_person,
)

PEOPLE = sample_people(4000, seed=5)
TRUTH = np.array([list(attributes(p).values()) for p in PEOPLE])
EXCLUDED = {frozenset(pair) for pair in EXCLUSIVE}


@pytest.fixture(scope="module")
def pictures():
    return [draw(p).astype(int) for p in PEOPLE[:60]]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Two small splits and a cache of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(load, "SPLITS", {"train": (30, 1), "test": (12, 2)})


@pytest.fixture
def alone(small, monkeypatch):
    """Those splits, drawn in this process: what the workers do is not the point."""

    def draw_people(count, seed, progress=None):
        return np.stack([draw(p).transpose(2, 0, 1) for p in sample_people(count, seed)])

    monkeypatch.setattr(load, "draw_people", draw_people)


def flipped(p: Person, name: str) -> Person:
    return counterfactual(p, **{name: not attributes(p)[name]})


# People ---------------------------------------------------------------------------------------


def test_people_depend_on_seed_and_index_alone():
    assert sample_people(50, seed=5) == PEOPLE[:50]
    assert sample_people(7, seed=5, start=31) == PEOPLE[31:38]
    assert sample_person(123, seed=5) == PEOPLE[123]
    assert sample_people(50, seed=6) != PEOPLE[:50]


def test_every_attribute_is_common_and_absent_often_enough():
    share = dict(zip(ATTRIBUTES, TRUTH.mean(0), strict=True))
    grouped = set().union(*EXCLUSIVE)
    for name, value in share.items():
        low, high = (0.22, 0.38) if name in grouped else (0.3, 0.55)
        assert low <= value <= high, name


@pytest.mark.parametrize("pair", list(itertools.combinations(ATTRIBUTES, 2)))
def test_attributes_are_independent_unless_they_exclude_each_other(pair):
    one, other = (TRUTH[:, ATTRIBUTES.index(name)] for name in pair)
    if frozenset(pair) in EXCLUDED:
        assert not (one & other).any()
    else:
        # Under independence sqrt(N) * correlation is close to N(0, 1).
        assert abs(np.corrcoef(one, other)[0, 1]) * math.sqrt(len(one)) < 4


def test_hidden_styles_do_not_depend_on_what_is_shown():
    for name, style in (("glasses", "frame_colour"), ("hat", "hat_kind"), ("bald", "short_style")):
        on = TRUTH[:, ATTRIBUTES.index(name)]
        for value in {getattr(p, style) for p in PEOPLE}:
            has = np.array([getattr(p, style) == value for p in PEOPLE])
            assert abs(has[on].mean() - has[~on].mean()) < 0.08


def test_continuous_factors_leave_a_gap_where_a_name_is_read_off_them():
    for factor in ("smile", "skin"):
        values = np.array([getattr(p, factor) for p in PEOPLE])
        assert np.abs(values).min() >= 0.3 and np.abs(values).max() <= 1
        assert values.min() < -0.95 and values.max() > 0.95
    assert all(abs(p.x) <= 1.5 and abs(p.y) <= 1.5 for p in PEOPLE)


def test_a_person_cannot_have_what_excludes_itself():
    p = counterfactual(PEOPLE[0], bald=True)
    with pytest.raises(ValueError, match="grey_hair"):
        counterfactual(p, bald=True, grey_hair=True)
    with pytest.raises(ValueError, match="monocle"):
        counterfactual(p, monocle=True)


@pytest.mark.parametrize("agreement", [0.9, 0.1])
def test_correlate_confounds_one_pair_and_no_other(agreement):
    people = sample_people(4000, seed=5, correlate={"glasses": ("grey_hair", agreement)})
    truth = {name: np.array([attributes(p)[name] for p in people]) for name in ATTRIBUTES}
    assert (truth["glasses"] == truth["grey_hair"]).mean() == pytest.approx(agreement, abs=0.03)
    assert not (truth["glasses"] & truth["sunglasses"]).any()
    for name in set(ATTRIBUTES) - {"glasses", "sunglasses"}:
        assert np.array_equal(truth[name], TRUTH[:, ATTRIBUTES.index(name)]), name


@pytest.mark.parametrize(
    "wrong", [{"monocle": ("hat", 0.5)}, {"hat": ("hat", 0.5)}, {"hat": ("beard", 1.5)}]
)
def test_correlate_refuses_what_it_cannot_do(wrong):
    with pytest.raises(ValueError, match="hat"):
        sample_people(1, seed=0, correlate=wrong)


# Counterfactuals ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_counterfactual_changes_the_named_attribute_and_what_excludes_it(name):
    siblings = {other for pair in EXCLUSIVE if name in pair for other in pair} - {name}
    for p in PEOPLE[:200]:
        before, after = attributes(p), attributes(flipped(p, name))
        changed = {key for key in ATTRIBUTES if before[key] != after[key]}
        assert name in changed
        assert changed - {name} == ({key for key in siblings if before[key] and after[name]})
        assert counterfactual(p, **{name: before[name]}) == p
        if changed == {name}:
            assert flipped(flipped(p, name), name) == p


# Rows (of 64, from the top) outside which nothing may change.
ROWS = {
    "glasses": (22, 43),
    "sunglasses": (22, 43),
    "smile": (38, 58),
    "open_mouth": (38, 58),
    "beard": (29, 64),
    "moustache": (34, 49),
    "earrings": (35, 50),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_counterfactual_is_plain_to_see_and_stays_in_its_place(pictures, name):
    top, bottom = ROWS.get(name, (0, 64))
    for p, picture in zip(PEOPLE, pictures, strict=False):
        change = np.abs(draw(flipped(p, name)) - picture).max(axis=2)
        assert (change > 40).sum() >= 30
        assert not change[:top].any() and not change[bottom:].any()


# Pictures -------------------------------------------------------------------------------------


def test_a_picture_is_the_same_every_time_and_differs_between_people(pictures):
    for p, picture in zip(PEOPLE[:10], pictures, strict=False):
        again = draw(p)
        assert again.shape == (64, 64, 3) and again.dtype == np.uint8
        assert np.array_equal(again, picture)
    for one, other in itertools.combinations(pictures[:20], 2):
        assert np.abs(one - other).mean() > 3


def test_a_shift_of_part_of_a_pixel_shows():
    # What is not anti-aliased stays put for a quarter of a pixel, or jumps.
    for p in PEOPLE[:10]:
        still, *moved = (draw(replace(p, x=x)).astype(int) for x in (0, 0.25, 0.5, 1))
        change = [np.abs(picture - still).mean() for picture in moved]
        assert 0.1 * change[-1] < change[0] < 0.5 * change[-1]
        assert change == sorted(change)


def test_drawing_is_fast_enough_for_twenty_thousand_a_minute():
    # Two cores draw 20,000 in a minute at 6 ms each, in which a processor that manages that adds
    # 200,000 numbers, one by one: machines differ, and others work on them.
    def seconds(work) -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    adding = min(seconds(lambda: sum(k for k in range(1_000_000))) for _ in range(3)) / 5
    drawing = min(seconds(lambda: [draw(p) for p in PEOPLE[:30]]) for _ in range(3)) / 30
    assert drawing < adding


# Data set and cache ---------------------------------------------------------------------------


def test_the_split_is_made_of_its_people(small):
    seen = []
    images, truth = load_faces("test", lambda done, total: seen.append((done, total)))
    assert images.shape == (12, 3, 64, 64) and images.dtype == np.uint8
    assert tuple(truth) == ATTRIBUTES
    for index in range(12):
        p = person("test", index)
        assert np.array_equal(images[index].transpose(1, 2, 0), draw(p))
        assert {name: bool(values[index]) for name, values in truth.items()} == attributes(p)
    assert seen == sorted(seen) and seen[-1] == (12, 12)


@soak.share("count", 20)
def test_the_shipped_pictures_are_those_that_are_drawn(monkeypatch, tmp_path, count):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    drawn = "python -m vae.datasets.faces draws them"
    assert load.shipped_file("test").exists(), drawn
    monkeypatch.setattr(load, "draw_people", lambda *_: pytest.fail("drawn"))
    images, _ = load_faces("test")
    for index in soak.sample(range(len(images)), count):
        assert np.array_equal(images[index].transpose(1, 2, 0), draw(person("test", index))), drawn


def test_splits_share_nobody():
    train = set(sample_people(3000, seed=load.SPLITS["train"][1]))
    assert train.isdisjoint(sample_people(3000, seed=load.SPLITS["test"][1]))


def test_a_second_load_draws_nothing(alone, monkeypatch):
    images, _ = load_faces("test")
    assert isinstance(images.base, mmap.mmap), "pictures that could stay on the disk are in memory"
    monkeypatch.setattr(load, "draw_people", lambda *_: pytest.fail("drawn again"))
    assert np.array_equal(load_faces("test")[0], images)


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty", "other shape", "packed"])
def test_a_damaged_cache_is_drawn_again(alone, damage):
    images = np.array(load_faces("test")[0])
    (path,) = cache_folder().iterdir()
    content = bytearray(path.read_bytes())
    if damage == "other shape":
        np.savez(path, images=images[:5])
    elif damage == "packed":
        np.savez_compressed(path, images=images)
    else:
        content[len(content) // 2] ^= 0xFF
        length = {"truncated": len(content) // 2, "altered": len(content), "empty": 0}[damage]
        path.write_bytes(content[:length])
    assert np.array_equal(load_faces("test")[0], images)
    # The cache is whole again, and nothing is left beside it.
    assert load._read(path, 12) is not None
    assert list(cache_folder().iterdir()) == [path]


def test_only_the_newest_version_of_each_split_is_kept(alone):
    load_faces("train")
    old = cache_folder() / "faces-test-0123456789ab.npz"
    old.write_bytes(b"what an earlier version drew")
    load_faces("test")
    assert {p.name for p in cache_folder().iterdir()} == {
        f"faces-{split}-{load.VERSION}.npz" for split in ("train", "test")
    }


def test_a_cache_that_cannot_be_written_costs_time_alone(alone, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load_faces("test")[0].shape == (12, 3, 64, 64)


@soak.always("python", ["/no/such/python", "false"], ["false"])
def test_without_workers_the_pictures_are_the_same(monkeypatch, python):
    monkeypatch.setattr(load, "_SPAN", 4)
    with_workers = load.draw_people(9, seed=3, workers=2)
    get_reusable_executor().shutdown()  # or their workers would be used again
    monkeypatch.setattr(sys, "executable", python)
    assert np.array_equal(load.draw_people(9, seed=3, workers=2), with_workers)


# joblib regrets what its workers drew in vain.
@pytest.mark.filterwarnings("ignore:.*adjusting the input task iterator:UserWarning")
def test_what_progress_raises_ends_the_drawing():
    stopped = []

    def stop(done, total):
        stopped.append(time.process_time())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load.draw_people(100_000, seed=1, progress=stop, workers=2)
    assert len(stopped) == 1 and time.process_time() - stopped[0] < 15


@pytest.mark.parametrize(("split", "index"), [("validation", 0), ("test", 3000), ("test", -1)])
def test_what_is_not_there_is_named(split, index):
    with pytest.raises(ValueError, match=split):
        person(split, index)
