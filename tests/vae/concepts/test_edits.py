"""The measurement of edits, on a world simple enough that the right figures are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vae.codes import FittedGaussian, decode, encode
from vae.concepts import edits, evaluation
from vae.datasets import Dataset, Images

NAMES = ("a", "b", "c")


class World:
    """Images of four rows: one a name, white where shown. Its model copies, and may leak."""

    latent_dim = 4
    config = SimpleNamespace(image_shape=(1, 4, 4))
    names, exclusive, device = NAMES, False, torch.device("cpu")

    def __init__(self, leak=0.0, keeps=(1, 1, 1, 1), wrong=()):
        self.leak, self.keeps, self.wrong = leak, torch.tensor(keeps), wrong

    def data(self, split="test", count=1200):
        rng = np.random.default_rng({"train": 1, "test": 2}[split])
        shown = rng.random((count, 4)) < 0.5
        pixels = np.repeat(shown[:, None, :, None] * 255, 4, 3).astype(np.uint8)
        return Dataset(
            name="blocks",
            split=split,
            images=Images(torch.from_numpy(pixels)),
            attributes={n: torch.from_numpy(shown[:, k].copy()) for k, n in enumerate(NAMES)},
        )

    def parameters(self):
        return iter([self.keeps])

    def encoder(self, x):
        mean = x.mean((1, 3)) * self.keeps
        return SimpleNamespace(mean=mean, variance=torch.zeros_like(mean))

    def decoder(self, z):
        mixed = z.clone()
        mixed[:, 1] += self.leak * z[:, 0]
        return SimpleNamespace(mean=mixed[:, None, :, None].expand(-1, 1, 4, 4).clamp(0, 1))

    def __call__(self, x):
        return x.mean((1, 3))[:, :3] - 0.6

    def predictions(self, x):
        predicted = self(x) > 0
        for k in self.wrong:
            predicted[:, k] = True
        return predicted

    def probabilities(self, x):
        return self(x).mul(10).sigmoid()


@pytest.fixture
def measure(monkeypatch):
    def run(world, judge=None):
        monkeypatch.setattr(evaluation, "load_checkpoint", lambda folder: world)
        monkeypatch.setattr(evaluation, "load_card", lambda folder: {"dataset": "blocks"})
        monkeypatch.setattr(evaluation, "load_classifier", lambda name: world)
        monkeypatch.setattr(evaluation, "load_judge", lambda name: judge)
        monkeypatch.setattr(evaluation, "load_dataset", lambda name, split: world.data(split))
        return evaluation.evaluate_concepts("anywhere")

    return run


def test_a_model_that_adds_cleanly_is_measured_clean(measure):
    found = measure(World())
    assert set(found["attributes"]) == set(NAMES) and not found["not_judged"]
    for name, figures in found["attributes"].items():
        assert figures["success"] == figures["success_at_best"] == 1
        assert figures["leakage"] == 0
        assert figures["counterfactual_error"] is None  # these people cannot be drawn again
        shown = World().data().attributes[name].sum().item()
        assert figures["n"] == pytest.approx((1200 - shown) / 2, abs=1)
        random = found["random_direction"][name]
        assert random["best_strength"] == figures["best_strength"]
        assert random["success"] < 0.6


def test_strength_is_chosen_where_success_beats_leakage(measure):
    figures = measure(World())["attributes"]["a"]
    assert figures["best_strength"] == 0.625  # the first at which 0.6 is passed


def test_a_second_classifier_judges_what_the_first_has_chosen(measure):
    figures = measure(World(), judge=World(wrong=(1,)))["attributes"]
    first, second = figures["a"], figures["a"]["judge"]
    assert (second["success_at_best"], second["leakage"]) == (first["success_at_best"], 0)
    assert "judge" not in measure(World())["attributes"]["a"]
    strict = World()
    strict.predictions = lambda x: World.__call__(strict, x) > 0.2  # wants much more
    assert measure(World(), judge=strict)["attributes"]["a"]["judge"]["success_at_best"] == 0


def test_what_leaks_is_found_and_named(measure):
    figures = measure(World(leak=1.2))["attributes"]["a"]
    assert figures["leakage"] > 0.3
    assert figures["leaks_into"] == "b"


def test_what_cannot_be_judged_is_left_out_with_the_reason(measure):
    found = measure(World(keeps=(1, 1, 0, 1)))
    assert set(found["attributes"]) == {"a", "b"}
    assert "reconstruction" in found["not_judged"]["c"]
    found = measure(World(wrong=(1,)))
    assert "classifier" in found["not_judged"]["b"]


def test_data_without_attributes_say_so(monkeypatch, measure):
    world = World()
    bare = Dataset(name="bare", split="test", images=world.data().images)
    monkeypatch.setattr(world, "data", lambda split: bare)
    found = measure(world)
    assert found["attributes"] == {}
    assert "no attributes" in found["reason"]


def test_one_edit_is_reported():
    world = World()
    codes = encode(world, world.data().images, limit=500, bound=False)["mean"]
    codes += 0.01 * np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    fitted = FittedGaussian.fit(codes, np.zeros_like(codes))
    z, step = np.zeros(4, np.float32), np.array([1, 0, 0, 0], np.float32)

    def edited(step, classifier=world):
        both = np.stack([z, z + step])
        return edits.edit_report(classifier, decode(world, both), both, codes, fitted)

    report = edited(step)
    assert report.predicts("a") == (False, True)
    assert report.flipped() == ["a"]
    assert report.flipped({"a"}) == []
    assert report.moved == pytest.approx(1)
    assert np.allclose(codes[report.nearest], z + step, atol=0.1)
    assert edited(50 * step).unusual == 1 > report.unusual
    assert edited(step, None).after == {}
    both = np.stack([codes[0], codes[0] + step])
    alone = edits.edit_report(None, decode(world, both), both, codes[:1], fitted, 0)
    assert alone.nearest == 0 and alone.nearest_distance == pytest.approx(1)


def test_the_effect_on_many_is_the_share_of_each():
    world = World()
    codes = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]], np.float32)
    step = np.array([1, 0, 0, 0], np.float32)
    effect = edits.effect_on_many(world, world, codes, step)
    assert effect.n == 4 and effect.predicted == {"a": 1, "b": 0.5, "c": 0}
    assert effect.flips == {"a": 0.5, "b": 0, "c": 0}
    assert effect.success({"a": True}) == 1 and effect.success({"a": True, "b": False}) == 0.5
    assert effect.leakage({"a"}) == ("b", 0) and effect.leakage({"a"}, {"c"}) == ("c", 0)
    assert effect.leakage(NAMES) is None
    assert effect.change[0].mean() == pytest.approx(0.5) and effect.change[1:].sum() == 0
    again = edits.effect_on_many(world, world, codes, step, effect.before)
    assert again.flips == effect.flips and again.change is None


def test_classes_exclude_each_other_and_faces_know_their_groups():
    labels = torch.tensor([0, 1, 2, 1])
    images = Images(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))
    data = Dataset("x", "test", images, labels=labels, classes=("p", "q", "r"))
    assert edits.excluded_by(data, "q") == ("p", "r")
    assert edits.attribute_table(data)["q"].tolist() == [False, True, False, True]
    faces = Dataset("faces", "test", images, attributes={"bald": labels > 0})
    assert set(edits.excluded_by(faces, "bald")) == {"long_hair", "grey_hair"}


def test_the_truth_is_the_same_person_drawn_with_it():
    from vae.datasets.faces import attributes, draw, person

    images = Images(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    faces = Dataset("faces", "test", images)
    bare = [r for r in range(40) if not attributes(person("test", r))["hat"]][:3]
    drawn = edits.true_pictures(faces, np.array(bare), {"hat": True})
    same = edits.true_pictures(faces, np.array(bare), {"hat": False})
    before = torch.from_numpy(np.stack([draw(person("test", r)) for r in bare]))
    before = before.permute(0, 3, 1, 2) / 255
    assert torch.allclose(same, before)
    assert (edits.rmse(drawn, before) > 0.02).all()
    change = (drawn - before).abs().mean((0, 1, 3))
    assert change[:32].mean() > 5 * change[40:].mean()  # a hat is not at the bottom
