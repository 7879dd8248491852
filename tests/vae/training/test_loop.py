from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from vae import VAE, ConfigError, VAEConfig
from vae.datasets import DatasetError, Images, LazyImages
from vae.training.augmentation import augment
from vae.training.config import TrainingConfig
from vae.training.data import batches, in_memory, in_order
from vae.training.distributed import Group
from vae.training.fast import adam_step
from vae.training.heldout import evaluate_heldout
from vae.training.loop import TrainingError, TrainingState, _Objective, train
from vae.training.precision import resolve_precision
from vae.training.start import start_at_average

torch.set_num_threads(1)


def pictures(count: int = 70, shape: tuple[int, int, int] = (1, 16, 16)) -> torch.Tensor:
    """Bright bars at different places, which two numbers describe."""
    random = np.random.default_rng(0)
    x = np.zeros((count, *shape), np.uint8)
    for i in range(count):
        row = random.integers(0, shape[1] - 3)
        x[i, :, row : row + 3, : random.integers(4, shape[2])] = random.integers(150, 256)
    return torch.from_numpy(x)


def model_of(likelihood: str = "bernoulli", seed: int = 0, **fields) -> VAE:
    torch.manual_seed(seed)
    config = {"latent_dim": 3, "channels": (8,), "hidden": (16,)} | fields
    return VAE(VAEConfig((1, 16, 16), likelihood=likelihood, **config))


def weights(model: VAE) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def finish(model: VAE, config: TrainingConfig, images=None, **more) -> list:
    return list(train(model, pictures() if images is None else images, config, **more))


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli", "gaussian"])
def test_learns_what_it_has_not_seen(likelihood):
    images = pictures(300)
    model = model_of(likelihood)
    before = evaluate_heldout(model, images[250:])
    config = TrainingConfig(epochs=30, batch_size=25, learning_rate=3e-3, sigma_warmup_epochs=1)
    after = finish(model, config, images[:250], heldout=images[250:])[-1].heldout
    assert after.elbo > before.elbo + 20
    assert after.elbo == pytest.approx(after.reconstruction - after.kl)
    assert sum(after.kl_per_dimension) == pytest.approx(after.kl, rel=1e-4)
    assert 1 <= after.active_units <= 3


def test_a_single_held_out_image_has_no_active_units():
    assert evaluate_heldout(model_of(), pictures(1)).active_units is None
    assert evaluate_heldout(model_of(), pictures(2)).active_units is not None


def test_the_seed_alone_decides():
    config = TrainingConfig(epochs=2, batch_size=20)
    same = [weights(finish(m, config) and m) for m in (model_of(), model_of())]
    assert torch.equal(*same)
    other = model_of()
    finish(other, TrainingConfig(epochs=2, batch_size=20, seed=1))
    assert not torch.equal(same[0], weights(other))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "gaussian_fixed"])
@pytest.mark.parametrize("stop", [1, 4, 6])
def test_goes_on_from_any_step_as_if_never_stopped(likelihood, stop):
    config = TrainingConfig(
        epochs=2, batch_size=20, beta_warmup=1, sigma_warmup_epochs=1, augmentation=0.5
    )
    whole = model_of(likelihood)
    finish(whole, config)
    model, state = model_of(likelihood), TrainingState()
    for progress in train(model, pictures(), config, state=state):
        if progress.step == stop:
            break
    saved = {k: v.clone().contiguous() for k, v in model.state_dict().items()}
    kept = copy.deepcopy(state)
    kept.exp_avg = [m.contiguous() for m in kept.exp_avg]  # as a file gives them back
    kept.exp_avg_sq = [s.contiguous() for s in kept.exp_avg_sq]
    again = model_of(likelihood, seed=5)
    again.load_state_dict(saved)
    finish(again, config, state=kept)
    assert torch.equal(weights(whole), weights(again))


def test_reports_the_mean_over_the_steps_since_the_last():
    config = TrainingConfig(epochs=3, batch_size=14)  # five equal batches
    each = finish(model_of(), config)
    rare = finish(model_of(), config, report_every=5)
    assert [p.step for p in rare] == [5, 10, 15]
    for i, progress in enumerate(rare):
        part = each[5 * i : 5 * i + 5]
        assert progress.kl == pytest.approx(sum(p.kl for p in part) / 5, rel=1e-5)
        assert progress.elbo == pytest.approx(sum(p.elbo for p in part) / 5, rel=1e-5)


def test_more_beta_leaves_less_kl():
    kl = {}
    for beta in (0.2, 5.0):
        images = pictures(300)
        config = TrainingConfig(epochs=15, batch_size=25, learning_rate=3e-3, beta=beta)
        kl[beta] = finish(model_of(), config, images)[-1].kl
    assert kl[5.0] < 0.7 * kl[0.2]


def test_beta_rises_while_it_warms_up_and_can_be_set_by_hand():
    state = TrainingState()
    found = []
    config = TrainingConfig(epochs=4, batch_size=70, beta_warmup=2, learning_rate=1e-3)
    for progress in train(model_of(), pictures(), config, state=state):
        found.append((progress.beta, progress.learning_rate))
        if progress.step == 3:
            state.beta, state.learning_rate = 7.0, 1e-2
    assert [beta for beta, _ in found] == [0.0, 0.5, 1.0, 7.0]
    assert found[3][1] > found[2][1]


def test_the_last_epochs_see_images_as_they_are(monkeypatch):
    amounts = []

    def noted(x, amount, random):
        amounts.append(amount)
        return augment(x, amount, random)

    monkeypatch.setattr("vae.training.loop.augment", noted)
    config = TrainingConfig(epochs=4, batch_size=35, augmentation=0.4, augmented_share=0.75)
    assert len(finish(model_of(), config)) == 8
    assert amounts == [0.4] * 6


def test_adam_is_the_textbooks():
    torch.manual_seed(0)
    ours = [torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last) for _ in range(2)]
    ours[1].load_state_dict(ours[0].state_dict())
    parameters = list(ours[0].parameters())
    moments = [[torch.zeros_like(p) for p in parameters] for _ in range(2)]
    steps = [torch.zeros(()) for _ in parameters]
    theirs = torch.optim.Adam(ours[1].parameters(), 1e-2, foreach=False)
    for _ in range(5):
        x = torch.randn(2, 3, 8, 8)
        for network in ours:
            network.zero_grad()
            network(x).square().sum().backward()
        adam_step(parameters, *moments, steps, 1e-2)
        theirs.step()
    for a, b in zip(parameters, ours[1].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("likelihood", "step", "bounded"),
    [
        ("bernoulli", 0, True),
        ("bernoulli", 2000, False),
        ("gaussian", 0, True),
        ("gaussian", 2000, True),
    ],
)
def test_gradients_are_clipped_at_first_and_for_a_learned_sigma_always(likelihood, step, bounded):
    model, state = model_of(likelihood), TrainingState(step=step)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.7)
    next(train(model, pictures(), TrainingConfig(epochs=3000), state=state))
    norm = torch.cat([m.flatten() for m in state.exp_avg]).norm() / 0.1  # of the first gradient
    largest = 10 * 16
    assert norm <= largest * 1.001 if bounded else norm > 2 * largest


def test_an_infinite_objective_ends_it_before_the_weights_are_spoilt():
    model = model_of("gaussian_fixed", sigma=1e-30)
    start_at_average(model, pictures())  # as training does before its first step
    before = weights(model).clone()
    with pytest.raises(TrainingError, match=r"diverged at step 1: .* not finite.*learning rate"):
        finish(model, TrainingConfig())
    assert torch.equal(before, weights(model))


def test_no_images():
    with pytest.raises(TrainingError, match="no images"):
        finish(model_of(), TrainingConfig(), images=pictures(0))


@pytest.mark.parametrize(
    "field", [{"epochs": 0}, {"batch_size": 2.5}, {"learning_rate": 0}, {"beta": -1}, {"seed": -1}]
)
def test_config_names_what_is_wrong(field):
    with pytest.raises(ConfigError, match=rf"{next(iter(field))} is .*expected"):
        TrainingConfig(**field)


def test_an_autoencoder_trains_without_kl():
    heldout = pictures(20)
    config = TrainingConfig(epochs=1, batch_size=20)
    last = finish(model_of(variational=False), config, heldout=heldout)[-1]
    assert last.kl == 0
    assert last.heldout.elbo is None and last.heldout.kl_per_dimension == ()


class Reader:
    """Reads images "from disk"; at module level, because workers may have to pickle it."""

    def __init__(self, broken: int = -1) -> None:
        self.images = pictures()
        self.broken = broken

    def __call__(self, index: int) -> torch.Tensor:
        if index == self.broken:
            raise DatasetError("a.png is damaged.")
        return self.images[index]


@pytest.mark.parametrize("workers", [0, 1])
def test_images_on_disk_train_as_those_in_memory(workers):
    config = TrainingConfig(epochs=2, batch_size=16)
    held, lazy = model_of(), model_of()
    finish(held, config, Images(pictures()))
    finish(lazy, config, LazyImages(Reader(), (70, 1, 16, 16)), workers=workers)
    assert torch.allclose(weights(held), weights(lazy), atol=1e-7)


def test_a_broken_image_is_named():
    images = LazyImages(Reader(broken=33), (70, 1, 16, 16))
    with pytest.raises(DatasetError, match=r"^a\.png is damaged\.$"):
        finish(model_of(), TrainingConfig(epochs=1), images, workers=1)
    with pytest.raises(DatasetError, match=r"^a\.png is damaged\.$"):
        in_memory(images)


def test_memory_holds_what_fits():
    lazy = LazyImages(Reader(), (70, 1, 16, 16))
    assert torch.equal(in_memory(lazy).uint8, pictures())
    assert in_memory(lazy, fits=1000) is lazy
    seen = torch.cat(list(in_order(lazy, range(10, 40), 8)))
    assert torch.equal(seen, pictures()[10:40].float() / 255)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_processes_share_every_batch(size):
    images = pictures(50)
    images[:, 0, 0, 0] = torch.arange(50, dtype=torch.uint8)  # to tell them apart
    whole = [x for x, _ in batches(images, 16, 3, 0, 8, group=Group())]
    parts = [list(batches(images, 16, 3, 0, 8, group=Group(rank, size))) for rank in range(size)]
    for step, x in enumerate(whole):
        shares = [
            part[step][0]
            for rank, part in enumerate(parts)
            if Group(rank, size).share(len(x))[1] > 0
        ]
        assert torch.equal(torch.cat(shares), x)
        assert all(part[step][1] == len(x) for part in parts)
    epoch = torch.cat(whole[:4])[:, 0, 0, 0].mul(255).round().int()
    assert sorted(epoch.tolist()) == list(range(50))
    assert not torch.equal(whole[0], whole[4])  # another order in the next epoch


def test_weights_of_shares_add_up_even_where_images_are_few():
    for size in (1, 2, 5):
        for count in (1, 3, 16):
            shares = [Group(rank, size).share(count) for rank in range(size)]
            assert sum(weight for _, weight in shares) == pytest.approx(1)
            assert all(part.stop > part.start for part, _ in shares)


def test_the_callers_process_stays_as_it_was():
    def settings() -> tuple:
        return (
            torch.distributions.Distribution._validate_args,
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_rng_state().tolist(),
        )

    before = not torch.distributions.Distribution._validate_args
    torch.distributions.Distribution.set_default_validate_args(before)
    try:
        expected = settings()
        model = model_of()
        torch.set_rng_state(torch.tensor(expected[-1], dtype=torch.uint8))
        lazy = LazyImages(Reader(), (70, 1, 16, 16))
        for _ in train(model, lazy, TrainingConfig(epochs=1, batch_size=20), workers=1):
            assert settings() == expected
        assert settings() == expected
    finally:
        torch.distributions.Distribution.set_default_validate_args(not before)


@pytest.mark.parametrize("native", [True, False])
def test_precision_is_settled_for_the_processor(monkeypatch, native):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    cpu = torch.device("cpu")
    assert resolve_precision("auto", cpu) == ("bfloat16" if native else "float32")
    assert resolve_precision("float32", cpu) == "float32"
    if native:
        assert resolve_precision("bfloat16", cpu) == "bfloat16"
    else:
        with pytest.raises(ConfigError, match=r"precision is bfloat16.*no instructions"):
            finish(model_of(), TrainingConfig(precision="bfloat16"))


def test_precision_is_what_the_products_are_computed_in():
    seen = {}
    for precision in ("float32", "bfloat16"):
        model = model_of()
        kinds = seen[precision] = []
        layer = model.decoder.network[2]
        layer.register_forward_hook(lambda *call, kinds=kinds: kinds.append(call[-1].dtype))
        forward = _Objective(model, TrainingConfig(), Group())
        forward.use_bfloat16 = precision == "bfloat16"
        forward((pictures(4) > 127).float(), torch.randn(4, 3), 1.0, 1.0)
    assert seen == {"float32": [torch.float32], "bfloat16": [torch.bfloat16]}
