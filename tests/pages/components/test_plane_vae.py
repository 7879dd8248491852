"""The VAE that a browser trains: its gradient, its terms, and log p(x) as a sum."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

SCRIPT = "plane_vae/training.js"
TRAINED = """
    const vae = new PlaneVae(3)
    const x = points(shape, 60, 1)
    const all = points(shape, 400, 1)
    for (let k = 0; k < steps; k++) {
        vae.step(all.subarray(128 * (k % 6), 128 * (k % 6) + 128), 1, 0.01)
    }
"""


def test_gradients_are_those_of_finite_differences(run):
    found = run(
        SCRIPT,
        TRAINED
        + """
    const noise = Float64Array.from(x, () => vae.source.normal())
    const loss = () => {
        const { reconstruction, kl } = vae.objective(x, noise, 1.7)
        return 1.7 * kl - reconstruction
    }
    loss()
    const known = vae.parameters.map(([, gradient]) => Float64Array.from(gradient))
    const pairs = []
    vae.parameters.forEach(([values], k) => {
        for (const i of [0, values.length >> 1, values.length - 1]) {
            const [kept, h] = [values[i], 1e-5]
            values[i] = kept + h
            const above = loss()
            values[i] = kept - h
            pairs.push([known[k][i], (above - loss()) / (2 * h)])
            values[i] = kept
        }
    })
    return pairs""",
        shape="moons",
        steps=5,
    )
    assert len(found) == 39
    for gradient, difference in found:
        assert gradient == pytest.approx(difference, rel=1e-5, abs=1e-7)


def test_terms_are_those_of_torch(run):
    given = run(
        SCRIPT,
        TRAINED
        + """
    const { mean, sigma } = vae.encode(x)
    const noise = Float64Array.from(x, () => vae.source.normal())
    const z = mean.map((m, k) => m + sigma[k] * noise[k])
    const decoded = vae.decode(z)
    const { reconstruction, kl } = vae.objective(x, noise, 1)
    return [x, mean, sigma, decoded, [vae.deviation, reconstruction, kl]]""",
        shape="rings",
        steps=20,
    )
    x, mean, sigma, decoded = (torch.tensor(v).reshape(-1, 2) for v in given[:4])
    deviation, reconstruction, kl = given[4]
    likelihood = Independent(Normal(decoded, deviation), 1).log_prob(x).mean()
    q, prior = Independent(Normal(mean, sigma), 1), Independent(Normal(0 * mean, 1 + 0 * mean), 1)
    assert reconstruction == pytest.approx(likelihood.item(), abs=1e-5)
    assert kl == pytest.approx(kl_divergence(q, prior).mean().item(), abs=1e-5)


@pytest.mark.parametrize("shape", ["rings", "moons", "clusters", "spiral"])
def test_the_sum_is_exact_and_the_bound_stays_below_it_while_both_rise(run, shape):
    elbo, evidence, finer, first = run(
        SCRIPT,
        TRAINED
        + """
    const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length
    const { reconstruction, kl } = vae.terms(x, 200)
    const untrained = new PlaneVae(3)
    return [reconstruction - kl, mean(vae.evidence(x)), mean(vae.evidence(x, vae.lattice(0.05))),
        mean(untrained.evidence(x))]""",
        shape=shape,
        steps=250,
    )
    assert evidence == pytest.approx(finer, abs=1e-3)
    assert elbo < evidence
    assert elbo > first + 0.5, "the bound has passed where log p(x) began"


def test_the_same_seed_trains_the_same(run):
    source = TRAINED + "return [vae.logDeviation[0], ...vae.encode(x).mean]"
    given = {"shape": "spiral", "steps": 10}
    assert run(SCRIPT, source, **given) == run(SCRIPT, source, **given)
