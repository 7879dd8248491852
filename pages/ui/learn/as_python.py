"""The numbers of each lesson, as programs."""

from __future__ import annotations

import numpy as np

from pages.ui.learn.texts import numbers
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.programs import dataset_of, image_of, opening, program
from vae.bounds import last_digit

__all__ = [
    "amortised_as_python",
    "arithmetic_as_python",
    "autoencoder_as_python",
    "draw_as_python",
    "elbo_as_python",
    "likelihoods_as_python",
    "mean_as_python",
    "path_as_python",
    "reparameterisation_as_python",
    "shell_as_python",
    "terms_as_python",
]


def _with_image(space: LatentSpace, row: int) -> tuple[str, list[str]]:
    """Imports and lines that open a model, its codes, and one image `x` in row `row`."""
    imports, lines = opening(space)
    more, image = image_of(space, row)
    return f"{imports}\n{more}", [lines, image, ""]


def autoencoder_as_python(twins: dict[str, LatentSpace], seed: int) -> str:
    """A program that counts which of 1,000 draws from N(0, I) look like a digit, by model."""
    names = tuple(space.name for space in twins.values())
    first = next(iter(twins.values()))
    return program(
        "import numpy as np\nfrom vae import load_checkpoint, load_dataset\n"
        "from vae.checkpoint import load_codes\nfrom vae.classifier import load_classifier\n"
        "from vae.codes import decode",
        f"classifier = load_classifier({first.dataset.name!r})",
        f"data = {dataset_of(first)}",
        f"for name in {names!r}:",
        "    model, codes = load_checkpoint(name), load_codes(name)",
        '    real = classifier.probabilities(data.images[codes["index"][:1_000]]).amax(1)',
        f"    z = np.random.default_rng({seed}).standard_normal((1_000, model.latent_dim))",
        '    drawn = classifier.probabilities(decode(model, z.astype("float32"))).amax(1)',
        "    clear = int((drawn >= float(np.quantile(real.numpy(), 0.05))).sum())",
        '    print(f"{name}: the classifier is as sure of {clear} as of 95 % of the real images")',
    )


def elbo_as_python(space: LatentSpace, row: int) -> str:
    """A program that adds up log p(x) on a grid, and computes the bound and the gap."""
    imports, parts = _with_image(space, row)
    imports += "\nimport torch\nfrom vae.bounds import estimate_elbo"
    imports += "\nfrom vae.theory.exact import decode_grid, posterior_gap, true_posterior"
    return program(
        imports, *parts,
        "evidence = true_posterior(decode_grid(model), x).log_evidence",
        'mean, variance = (torch.from_numpy(codes[name][row]) for name in ("mean", "variance"))',
        "gap = posterior_gap(model, x, mean, variance.sqrt(), evidence)",
        "elbo = estimate_elbo(model, x).elbo.value",
        'print(f"log p(x) {evidence:.2f}, ELBO {elbo:.2f}, KL(q || p(z|x)) {gap:.2f} nats")',
    )  # fmt: skip


def terms_as_python(space: LatentSpace, row: int, q: tuple[np.ndarray, np.ndarray] | None) -> str:
    """A program that computes the ELBO's terms under the encoder's q, or under one of one's own.

    Args:
        space: a variational model.
        row: row of the image.
        q: mean and standard deviation `(D,)`; None for the encoder's.
    """
    imports, parts = _with_image(space, row)
    if q is None:
        return program(
            f"{imports}\nfrom vae.bounds import estimate_elbo", *parts,
            "bounds = estimate_elbo(model, x)",
            'print(f"ELBO {bounds.elbo.value:.1f}, KL {bounds.kl:.1f} nats")',
        )  # fmt: skip
    mean, sigma = (", ".join(f"{v:.6g}" for v in values) for values in q)
    return program(
        f"{imports}\nimport torch\nfrom vae.theory.exact import exact_elbo", *parts,
        f"mean, sigma = torch.tensor([{mean}]), torch.tensor([{sigma}])",
        "reconstruction, kl = exact_elbo(model, x, mean, sigma)",
        'print(f"ELBO {reconstruction - kl:.1f}, KL {kl:.1f} nats")',
    )  # fmt: skip


def likelihoods_as_python(space: LatentSpace, spaces: list[LatentSpace], row: int) -> str:
    """A program that sums the log likelihood of an image over its pixels, by model."""
    more, image = image_of(space, row)
    return program(
        f"{more}\nfrom vae import load_checkpoint",
        image.splitlines()[1],
        f"for name in {tuple(space.name for space in spaces)!r}:",
        "    model = load_checkpoint(name)",
        "    seen = model.observe(x[None])",
        "    pixels = model.decoder(model.encoder(seen).mean).base_dist.log_prob(seen)",
        '    print(f"{name}: log p(x|z) {pixels.sum():.1f} nats")',
    )


def reparameterisation_as_python(
    space: LatentSpace, row: int, noise: np.ndarray, times: float, axes: tuple[int, int]
) -> str:
    """A program that differentiates log p(x|z) at z = μ + σ · ε."""
    imports, parts = _with_image(space, row)
    values = "\n".join(f"noise[{d}] = {noise[d]:g}  # ε{d + 1}" for d in axes)
    return program(
        f"{imports}\nimport torch\nfrom vae.theory.gradients import pathwise_gradient", *parts,
        "mean = torch.from_numpy(codes[\"mean\"][row])",
        f"sigma = {times:g} * torch.from_numpy(codes[\"variance\"][row]).double().sqrt()",
        "noise = torch.zeros(len(mean), dtype=torch.float64)",
        values,
        f"gradient = pathwise_gradient(model, x, mean, sigma, noise, dimensions={axes!r})",
        'print(f"L = log p(x|z) = {gradient.reconstruction:,.2f} nats")',
        f"print(\"by z\", *(f\"{{float(v):+,.4f}}\" for v in gradient.wrt_z[{list(axes)!r}]))",
    )  # fmt: skip


def amortised_as_python(space: LatentSpace, row: int | None, steps: int, seed: int) -> str:
    """A program that searches for one image's own q, and computes what the encoder's loses.

    Args:
        space: a variational model.
        row: row of the image; None for a drawing or an upload.
        steps: number of steps of the search.
        seed: seed of its draws.
    """
    imports, parts = _with_image(space, 0 if row is None else row)
    digits = 0 if last_digit(float(space.elbo[row or 0])) >= 1 else 1
    if row is None:
        parts[-1] = "# Put your own picture in place of x, with the same shape.\n"
    return program(
        f"{imports}\nfrom vae.bounds import estimate_elbo"
        "\nfrom vae.theory.amortisation import amortisation_gap, optimise_posterior",
        *parts,
        "elbo = estimate_elbo(model, x, decodes=1_000).elbo",
        f'print(f"by the encoder: {{elbo.value:,.{digits}f}} nats")',
        'for start in ("prior", "encoder"):',
        f"    options = dict(start=start, draws=64, seed={seed})",
        f"    *_, last = optimise_posterior(model, x[None], {steps}, **options)",
        "    gap = amortisation_gap(model, x[None], last.mean, last.sigma)",
        f'    print(f"from the {{start}}: {{gap.nats.item():+,.{digits}f}} nats")',
    )


def arithmetic_as_python(space: LatentSpace, name: str, seed: int) -> str:
    """A program that makes a vector from one pair, and adds it to others who lack the concept.

    Args:
        space: the model.
        name: name of the attribute or class.
        seed: seed of the pair.
    """
    imports, lines = opening(space)
    imports += (
        "\nimport numpy as np\nfrom vae import load_dataset\nfrom vae.codes import encode"
        "\nfrom vae.classifier import load_classifier\nfrom vae.latent import evenly"
        "\nfrom vae.concepts.edits import attribute_table, effect_on_many, excluded_by"
        "\nfrom vae.concepts.edits import true_pictures"
        "\nfrom vae.concepts.vectors import split_by_attribute"
    )
    tried = numbers("arithmetic")["tried"]
    return program(
        imports, lines,
        f"data = {dataset_of(space)}",
        'table, codes_of = attribute_table(data, codes["index"]), codes["mean"]',
        f"with_it, without = split_by_attribute(table, {name!r}, excluded_by(data, {name!r}))",
        "fit = np.arange(len(codes_of)) % 2 == 0  # the others test the vector",
        "",
        f"rng = np.random.default_rng({seed})",
        "sides = (np.flatnonzero(side & fit) for side in (with_it, without))",
        "other, row = (rng.permutation(side)[0] for side in sides)",
        f'twin = true_pictures(data, codes["index"][[row]], {{{name!r}: True}})  # if drawn',
        'z = codes_of[other] if twin is None else encode(model, twin, bound=False)["mean"][0]',
        "vector = z - codes_of[row]",
        'print(f"length of the vector: {np.linalg.norm(vector):.2f}")',
        "",
        f"rows = evenly(np.flatnonzero(without & ~fit), {tried})",
        f"classifier = load_classifier({space.dataset.name!r})",
        "effect = effect_on_many(model, classifier, codes_of[rows], vector)",
        f'print(f"success with {{len(rows)}} others: {{effect.success({{{name!r}: True}}):.0%}}")',
    )  # fmt: skip


def shell_as_python(space: LatentSpace, seed: int, bins: int, high: float) -> str:
    """A program that counts the lengths of draws of N(0, I) and of a model's codes.

    Args:
        space: the model.
        seed: seed of the draws.
        bins: number of the histogram's bins.
        high: length at which the last bin ends.
    """
    imports, first = opening(space)
    return program(
        f"{imports}\nimport numpy as np", first,
        f"rng = np.random.default_rng({seed})",
        "draws = rng.standard_normal((5_000, model.latent_dim))",
        'noise = rng.standard_normal(codes["mean"].shape)',
        'of_images = codes["mean"] + np.sqrt(codes["variance"]) * noise',
        'for name, z in {"draws": draws, "codes": of_images}.items():',
        f"    counts, _ = np.histogram(np.linalg.norm(z, axis=1), {bins}, (0, {high!r}))",
        '    print(name, "by length:", *counts)',
    )  # fmt: skip


def mean_as_python(space: LatentSpace, rows: np.ndarray) -> str:
    """A program that judges means of more and more codes, raw and in the learned distribution.

    Args:
        space: a model whose distribution of codes was learned.
        rows: rows of the images, in their order.
    """
    m = len(rows)
    return _judged(
        space, "from vae.likely_codes import blend", _codes(space, "some", rows),
        f"weights = np.tril(np.ones(({m}, {m}))) / np.arange(1, {m + 1})[:, None]",
        'ways = {"mean": weights @ some, "learned": blend(learned, some, weights)}',
    )  # fmt: skip


def path_as_python(space: LatentSpace, a: int, b: int, level: float, frames: int) -> str:
    """A program that judges three ways from one image to another.

    Args:
        space: a model whose distribution of codes was learned.
        a: row of the first image.
        b: row of the second image.
        level: noise level of the learned path.
        frames: number of the places on each way.
    """
    return _judged(
        space, "from vae import lerp, slerp", _codes(space, "ends", np.array([a, b])),
        f"t = np.linspace(0, 1, {frames})",
        'ways = {"linear": lerp(*ends, t), "spherical": slerp(*ends, t)}',
        f'ways["learned"] = learned.path(*ends, t, {level:g})',
    )  # fmt: skip


def draw_as_python(space: LatentSpace, seed: int, frames: int) -> str:
    """A program that judges a draw at some times on its way from noise to a code."""
    return _judged(
        space, "",
        f"noise = np.random.default_rng({seed}).standard_normal((1, learned.dim))",
        f"some = [learned.from_noise(noise, until=t) for t in np.linspace(0, 1, {frames})]",
        'ways = {"on its way": np.concatenate(some)}',
    )  # fmt: skip


def _codes(space: LatentSpace, name: str, rows: np.ndarray) -> str:
    images = [int(space.index[row]) for row in rows]
    return f'{name} = codes["mean"][[list(codes["index"]).index(k) for k in {images!r}]]'


def _judged(space: LatentSpace, more: str, *lines: str) -> str:
    """A program that prints which share of held-out codes is less likely than each of its own."""
    imports, first = opening(space)
    imports += "\nimport numpy as np\nfrom vae.checkpoint import find_checkpoint"
    imports += f"\nfrom vae.code_distribution import load_code_distribution\n{more}"
    return program(
        imports, first,
        f"learned = load_code_distribution(find_checkpoint({space.name!r}))",
        "", *lines,
        "for name, z in ways.items():",
        "    shares = learned.percentile(z)  # of the held-out codes",
        '    print(name, *(f"{round(100 * share, 2):g} %" for share in shares))',
    )  # fmt: skip
