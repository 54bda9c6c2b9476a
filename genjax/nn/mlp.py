"""Multilayer perceptrons of one example."""

import itertools
from collections.abc import Callable, Sequence

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

__all__ = ["MLP", "GaussianMLP"]

POWER_STEPS = 8
"""Iterations that find the largest singular value, an error of a few per cent at the start of training."""


class MLP(nnx.Module):
    """A multilayer perceptron from one example of any shape to a vector.

    Args:
        num_inputs: the size of the example.
        hidden: widths of the hidden layers.
        num_outputs: the length of the result.
        activation: between layers.
        spectral: divide each matrix by its largest singular value (Flax's spectral normalisation, found anew in every
            call by iterating from a fixed vector: `functional(..., constants=nnx.BatchStat)`).
        rngs: random streams of the initialisation.

    >>> MLP(4, (8, 8), 2, rngs=nnx.Rngs(0))(jnp.ones((2, 2))).shape
    (2,)
    """

    def __init__(
        self,
        num_inputs: int,
        hidden: Sequence[int],
        num_outputs: int,
        *,
        activation: Callable[[Array], Array] = nnx.gelu,
        spectral: bool = False,
        rngs: nnx.Rngs,
    ):
        widths = [num_inputs, *hidden, num_outputs]
        layers = [nnx.Linear(i, o, rngs=rngs) for i, o in itertools.pairwise(widths)]
        if spectral:
            options = {"n_steps": POWER_STEPS, "update_stats": False}
            layers = [nnx.SpectralNorm(layer, **options, rngs=rngs) for layer in layers]
        self.layers = nnx.List(layers)
        self.activation = activation

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, " num_outputs"]:
        """Map one example, flattened."""
        h = jnp.ravel(x)
        for layer in self.layers[:-1]:
            h = self.activation(layer(h))
        return self.layers[-1](h)


class GaussianMLP(nnx.Module):
    """A multilayer perceptron to the mean and log-variance of a diagonal Gaussian: an encoder, or a layer's prior.

    The log-variance is bounded smoothly, at `max_log_var · tanh(raw / max_log_var)`, so that no network output
    overflows an exponential.

    Args:
        num_inputs: the size of the example.
        hidden: widths of the hidden layers.
        num_latents: the length of the mean.
        activation: between layers.
        max_log_var: the bound on the log-variance, above and below.
        rngs: random streams of the initialisation.

    >>> mean, log_var = GaussianMLP(4, (8,), 3, rngs=nnx.Rngs(0))(jnp.ones(4))
    >>> mean.shape, log_var.shape
    ((3,), (3,))
    """

    def __init__(
        self,
        num_inputs: int,
        hidden: Sequence[int],
        num_latents: int,
        *,
        activation: Callable[[Array], Array] = nnx.gelu,
        max_log_var: float = 12.0,
        rngs: nnx.Rngs,
    ):
        self.net = MLP(num_inputs, hidden, 2 * num_latents, activation=activation, rngs=rngs)
        self.max_log_var = max_log_var

    def __call__(self, x: Float[Array, "..."]) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
        """Mean and log-variance for one example."""
        mean, raw = jnp.split(self.net(x), 2)
        return mean, self.max_log_var * jnp.tanh(raw / self.max_log_var)
