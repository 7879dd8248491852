"""The computation of the last pin as a Python program."""

from __future__ import annotations

from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin
from pages.ui.shared.programs import code_as_python, codes_of, image_of, opening, program
from vae.bounds import last_digit

__all__ = ["pin_as_python"]


def pin_as_python(space: LatentSpace, pin: Pin | None) -> str:
    """A program that decodes a pin, and computes KL and ELBO where it is a real image."""
    if pin is None:
        return code_as_python(space, space.mean.mean(0))
    if pin.row < 0:
        return code_as_python(space, pin.z)
    imports, lines = opening(space)
    imports += "\nfrom vae.codes import decode"
    parts = [lines, codes_of(space, z=pin), "picture = decode(model, z[None])[0]  # in 0…1"]
    if space.variational:
        more, image = image_of(space, pin.row)
        digits = 0 if last_digit(float(space.elbo[pin.row])) >= 1 else 1
        if space.bounds(pin.row) is None:
            imports += f"\n{more}\nfrom vae.bounds import estimate_elbo"
            parts += ["", image, "bounds = estimate_elbo(model, x, decodes=1_000)"]
            parts.append("kl, elbo = bounds.kl, bounds.elbo.value")
        else:
            parts += ["", image.splitlines()[0], 'kl, elbo = codes["kl"][row], codes["elbo"][row]']
        parts.append(f'print(f"KL {{kl:,.{digits}f}}, ELBO {{elbo:,.{digits}f}} nats")')
    return program(imports, *parts)
