"""Autoencoders: the networks of the VAE, trained on reconstruction alone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from genjax.recipes.vae import networks
from genjax.training.options import Count, NonNegative, Options

if TYPE_CHECKING:
    from genjax.data import Spec
    from genjax.training import Model


@dataclass(frozen=True)
class Config(Options):
    """Train an autoencoder beside a variational one."""

    data: Literal["digits", "mnist", "binarized-mnist", "circle"] = "digits"
    """Data set to learn."""
    out: Path = Path("runs/autoencoder-digits")
    weight_decay: NonNegative = 0.1
    latents: Count = 16
    """Dimensions of the latent."""
    hidden: tuple[Count, ...] = (128, 128)
    """Widths of the encoder's hidden layers; the decoder mirrors them."""


IMAGES = Config(
    steps=10_000, hidden=(400,), latents=32, learning_rate=2e-3, weight_decay=1e-4, validate_every=1000
)

PRESETS = {
    "digits": ("Digits of 8×8 pixels, 17 grey levels", Config()),
    "mnist": (
        "MNIST, binarised anew at every step",
        replace(IMAGES, data="mnist", out=Path("runs/autoencoder-mnist")),
    ),
    "binarized-mnist": (
        "MNIST in its canonical static binarisation",
        replace(IMAGES, data="binarized-mnist", out=Path("runs/autoencoder-binarized-mnist")),
    ),
    "circle": (
        "A noisy circle in the plane",
        Config(data="circle", out=Path("runs/autoencoder-circle"), latents=2, weight_decay=0.0, steps=4000),
    ),
}


def model(config: Config, data: "Spec") -> "Model":
    """The model of a configuration: the code is the encoder's mean, and a sample decodes a draw from N(0, I)."""
    import jax

    from genjax import autoencoder
    from genjax.training import Model

    view, net = networks(config, data)

    def loss(params, key, stored):
        log_likelihood = lambda x, z: net.log_likelihood(params, x, z)
        code = lambda x: net.encode(params, x)[0]
        return autoencoder.reconstruction_loss(code, log_likelihood, view.observe(key, stored))

    return Model(
        name="autoencoder",
        view=view,
        init=lambda key, x: net.init(key),
        sample=lambda params, key: net.decode(params, jax.random.normal(key, (config.latents,))),
        loss=loss,
        samples="decoded draws of N(0, I)",
    )
