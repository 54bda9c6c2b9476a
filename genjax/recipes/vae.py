"""Variational autoencoders: encoder and decoder are perceptrons or convolutions, and the likelihood fits the data."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from genjax.faults import UsageError
from genjax.training.options import Count, NonNegative, Options

if TYPE_CHECKING:
    from genjax.data import Spec
    from genjax.data.views import View
    from genjax.nn import LatentModel
    from genjax.training import Model


@dataclass(frozen=True)
class Config(Options):
    """Train a variational autoencoder."""

    data: Literal["digits", "mnist", "binarized-mnist", "circle"] = "digits"
    """Data set to learn."""
    out: Path = Path("runs/vae-digits")
    weight_decay: NonNegative = 0.1
    beta: NonNegative = 1.0
    """Weight of the KL in the loss; 1 is the ELBO."""
    num_samples: Count = 1
    """Latent draws per example and step."""
    latents: Count = 16
    """Dimensions of the latent."""
    hidden: tuple[Count, ...] = (128, 128)
    """Widths of the encoder's hidden layers, or channels of its convolutions; the decoder mirrors them."""
    conv: bool = False
    """Use convolutions instead of dense layers; each halves the image."""
    evidence_samples: Count = 5000
    """Importance samples of the test likelihood."""
    evidence_examples: Count = 300
    """Test examples, evenly spaced, that the importance-weighted likelihood is averaged over."""


IMAGES = Config(
    steps=10_000, hidden=(400,), latents=32, learning_rate=2e-3, weight_decay=1e-4, validate_every=1000
)

PRESETS = {
    "digits": ("Digits of 8×8 pixels, 17 grey levels", Config()),
    "mnist": (
        "MNIST, binarised anew at every step",
        replace(IMAGES, data="mnist", out=Path("runs/vae-mnist")),
    ),
    "binarized-mnist": (
        "MNIST in its canonical static binarisation",
        replace(IMAGES, data="binarized-mnist", out=Path("runs/vae-binarized-mnist")),
    ),
    "circle": (
        "A noisy circle in the plane",
        Config(data="circle", out=Path("runs/vae-circle"), latents=2, weight_decay=0.0, steps=4000),
    ),
}


def networks(config, data: "Spec") -> "tuple[View, LatentModel]":
    """How the data are seen, and the encoder and decoder; what an autoencoder shares with a VAE."""
    from genjax import nn
    from genjax.data import views

    view, head = {
        "digits": (views.centred, nn.discretized_logistic_head),
        "mnist": (views.binary, lambda levels: nn.bernoulli_head),
        "binarized-mnist": (views.binary, lambda levels: nn.bernoulli_head),
        "circle": (views.points, lambda levels: nn.normal_head),
    }[config.data]
    sizes = (config.hidden, config.latents, head(data.num_levels))
    if not getattr(config, "conv", False):
        return view(data), nn.latent_model(data.num_dims, *sizes)
    try:
        return view(data), nn.conv_latent_model(data.event_shape, *sizes)
    except ValueError as error:
        raise UsageError(f"--conv: {error}") from error


def model(config: Config, data: "Spec") -> "Model":
    """The model of a configuration; samples are decoded means of draws from the prior, without noise of pixels."""
    import jax

    from genjax import Kind, vae
    from genjax.training import LogProb, Model

    view, net = networks(config, data)

    def bound(params):
        return partial(net.encode, params), partial(net.log_likelihood, params)

    # The loss of one example; jax.vmap does the rest.
    def loss(params, key, stored):
        key_data, key_noise = jax.random.split(key)
        options = {"beta": config.beta, "num_samples": config.num_samples}
        return vae.negative_elbo(key_noise, *bound(params), view.observe(key_data, stored), **options)

    def elbo(params, key, stored):
        key_data, key_noise = jax.random.split(key)
        noise = jax.random.normal(key_noise, (config.latents,))
        return vae.elbo_terms(*bound(params), view.observe(key_data, stored), noise).elbo

    def evidence(params, key, stored):
        key_data, key_noise = jax.random.split(key)
        x = view.observe(key_data, stored)
        return vae.log_evidence(key_noise, *bound(params), x, num_samples=config.evidence_samples)

    return Model(
        name="variational autoencoder",
        view=view,
        init=lambda key, x: net.init(key),
        sample=lambda params, key: net.decode(params, jax.random.normal(key, (config.latents,))),
        loss=loss,
        log_probs={
            "ELBO": LogProb(elbo, Kind.LOWER_BOUND),
            f"log p(x), {config.evidence_samples:,} importance samples": LogProb(
                evidence, Kind.ESTIMATE, config.evidence_examples
            ),
        },
        samples="decoded means of prior draws, without noise of pixels",
        # Gradients of convolutions in a loop are many times slower on a CPU.
        steps_per_call=1 if config.conv and jax.default_backend() == "cpu" else None,
    )
