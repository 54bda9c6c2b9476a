"""Variational autoencoders: encoder and decoder are perceptrons or convolutions, and the likelihood fits the data."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

from genjax.recipes.latent import LatentOptions, networks, presets
from genjax.training.options import LARGEST, Bounds, Count, NonNegative

if TYPE_CHECKING:
    from genjax.data import Spec
    from genjax.training import Model


@dataclass(frozen=True)
class Config(LatentOptions):
    """Train a variational autoencoder."""

    beta: NonNegative = 1.0
    """Weight of the KL in the loss; 1 is the ELBO."""
    num_samples: Count = 1
    """Latent draws per example and step."""
    evidence_samples: Count = 5000
    """Importance samples of the test likelihood."""
    evidence_examples: Annotated[int, Bounds(2, LARGEST)] = 300
    """Test examples, evenly spaced, that the importance-weighted likelihood is averaged over."""
    measuring: ClassVar[tuple[str, ...]] = (*LatentOptions.measuring, "evidence_samples", "evidence_examples")


PRESETS = presets(Config(), "vae")


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
