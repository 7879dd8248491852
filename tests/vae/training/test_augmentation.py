import pytest
import torch

from vae.training.augmentation import DISTORTIONS, augment
from vae.training.distributed import Group

MIDDLE = torch.full((1, DISTORTIONS), 0.5)
NAMES = ("rotation", "width", "height", "shear", "right", "down")


def blob(height=29, width=29, at=(0, 0), size=3.0):
    """A soft spot, `(1, 1, height, width)`, so many pixels right of and below the middle."""
    x = torch.arange(width)[None] - width // 2 - at[0]
    y = torch.arange(height)[:, None] - height // 2 - at[1]
    return torch.exp(-(x**2 + y**2) / (2 * size**2))[None, None]


def middle(image):
    """The centre of mass of an image, in pixels right of and below the middle."""
    mass = image[0, 0] / image.sum()
    y, x = (torch.arange(side) - side // 2 for side in mass.shape)
    return (mass.sum(0) * x).sum().item(), (mass.sum(1) * y).sum().item()


def only(name, value):
    random = MIDDLE.clone()
    random[0, NAMES.index(name)] = value
    return random


@pytest.mark.parametrize("shape", [(4, 1, 28, 28), (3, 3, 40, 24)])
def test_nothing_is_changed_without_a_distortion(shape):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    random = torch.rand(len(x), DISTORTIONS)
    assert torch.allclose(augment(x, 0.0, random), x, atol=1e-5)
    assert torch.allclose(augment(x, 1.0, MIDDLE.expand(len(x), -1)), x, atol=1e-5)


def test_images_keep_shape_and_range_and_each_is_distorted_by_itself():
    x = torch.rand(1, 3, 40, 24).expand(5, -1, -1, -1)
    found = augment(x, 1.0, torch.rand(5, DISTORTIONS))
    assert found.shape == x.shape and found.min() >= 0 and found.max() <= 1
    assert all(not torch.allclose(found[0], other) for other in found[1:])


def test_shifts_are_by_at_most_a_pixel_of_28():
    right = augment(blob(), 1.0, only("right", 0.0))  # read from the left: it moves right
    assert middle(right) == pytest.approx((29 * 0.035, 0), abs=0.05)
    down = augment(blob(), 1.0, only("down", 1.0))
    assert middle(down) == pytest.approx((0, -29 * 0.035), abs=0.05)
    half = augment(blob(), 0.5, only("right", 0.0))
    assert middle(half)[0] == pytest.approx(29 * 0.035 / 2, abs=0.05)


@pytest.mark.parametrize("shape", [(29, 29), (57, 29), (21, 41)])
def test_a_rotation_turns_by_at_most_11_degrees(shape):
    x, y = middle(augment(blob(*shape, at=(8, 0), size=1.5), 1.0, only("rotation", 1.0)))
    turned = torch.atan2(torch.tensor(y), torch.tensor(x)).abs()
    assert turned == pytest.approx(0.2, abs=0.02)
    assert (x**2 + y**2) ** 0.5 == pytest.approx(8, abs=0.2)


@pytest.mark.parametrize(("name", "axis"), [("width", 0), ("height", 1)])
def test_a_side_is_scaled_by_at_most_12_per_cent(name, axis):
    at = (8, 0) if axis == 0 else (0, 8)
    found = middle(augment(blob(at=at, size=1.5), 1.0, only(name, 0.0)))
    assert found[axis] == pytest.approx(8 * 1.12, abs=0.15)
    assert found[1 - axis] == pytest.approx(0, abs=0.05)


def test_the_border_goes_on_beyond_the_border():
    white = torch.ones(6, 1, 28, 28)
    assert torch.allclose(augment(white, 1.0, torch.rand(6, DISTORTIONS)), white, atol=1e-5)


def test_processes_distort_a_batch_as_one_does():
    x = torch.rand(8, 1, 16, 16)
    random = torch.rand(8, DISTORTIONS)
    whole = augment(x, 0.7, random)
    for rank in range(2):
        part, _ = Group(rank=rank, size=2).share(8)
        assert torch.allclose(augment(x[part], 0.7, random[part]), whole[part], atol=1e-6)
