"""Autoencoders: the networks of the VAE, trained on reconstruction alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genjax.recipes.latent import LatentOptions, networks, presets

if TYPE_CHECKING:
    from genjax.data import Spec
    from genjax.training import Model


@dataclass(frozen=True)
class Config(LatentOptions):
    """Train an autoencoder beside a variational one."""


PRESETS = presets(Config(), "autoencoder")


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
        # Gradients of convolutions in a loop are many times slower on a CPU.
        steps_per_call=1 if config.conv and jax.default_backend() == "cpu" else None,
    )
