"""Reproduce the Gaussian rows of the MAF paper's table 2 on MNIST: the preprocessing and the error bar, in seconds.

    python experiments/tables/maf_gaussian.py          # needs GENJAX_DATA or --download

Papamakarios, Pavlakou and Murray (2017) report −1366.9 ± 1.4 and −1344.7 ± 1.8 nats. Pixels are dequantised,
(v + u) / 256, and mapped by logit(λ + (1 − 2λ) u), λ = 10⁻⁶. Likelihoods are in logit space; errors are two standard
errors over test images. The noise is drawn once with NumPy's seed 42, training images first, as in the authors' code.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from genjax.faults import exit_on_fault

PAPER = {"unconditional": (-1366.9, 1.4), "class-conditional": (-1344.7, 1.8)}


@dataclass(frozen=True)
class Config:
    """Fit a Gaussian, and one per class, to MNIST logits in closed form."""

    download: bool = False
    """Fetch data files that are missing."""
    out: Path | None = None
    """JSON file for the results."""


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax import dequantize, flow
    from genjax.data import mnist
    from genjax.oracles import GaussianMixture

    jax.config.update("jax_enable_x64", True)
    dataset = mnist(download=config.download)
    draw = np.random.RandomState(42)  # the authors' generator
    logit = flow.Logit(1e-6)

    @jax.jit
    def preprocess(levels, noise):
        return logit.forward(dequantize(levels, noise))[0].reshape(len(levels), -1)

    parts = (dataset.train, dataset.validation, dataset.test)
    train, _, test = (preprocess(part, draw.random_sample(part.shape)) for part in parts)
    labels = dataset.train_labels

    def moments(groups):
        """The Gaussian of every group, weighted alike; unbiased covariances, as the authors took."""
        means = jnp.stack([jnp.mean(x, axis=0) for x in groups])
        covs = jnp.stack([jnp.cov(x.T) for x in groups])
        return GaussianMixture(jnp.full(len(groups), 1 / len(groups)), means, covs)

    models = {
        "unconditional": moments([train]),
        "class-conditional": moments([train[labels == label] for label in range(10)]),
    }
    results = {}
    for name, model in models.items():
        log_probs = np.asarray(jax.jit(jax.vmap(model.log_prob))(test))
        error = 2 * log_probs.std() / np.sqrt(len(log_probs))
        results[name] = {"nats": log_probs.mean(), "two_standard_errors": error, "paper": PAPER[name]}
        paper = "{:.1f} ± {:.1f}".format(*PAPER[name])
        print(f"Gaussian, {name:18} {log_probs.mean():9.2f} ± {error:.2f} nats   paper: {paper}")
    if config.out:
        config.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    config = tyro.cli(Config)

    with exit_on_fault():
        main(config)
