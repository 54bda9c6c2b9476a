"""Linear-Gaussian models and quadrature the VAE tests share."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from genjax.oracles import LinearGaussian


def datum():
    """One example, in the precision of the test."""
    return jnp.array([0.7, -1.2, 0.4, 2.0])


def random_model(seed=0, num_dims=4, num_latents=2, *, orthogonal=False):
    """A model whose posterior is diagonal when `orthogonal`, correlated otherwise."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(num_dims, num_latents))
    if orthogonal:
        weights = np.linalg.qr(weights)[0] * np.array([1.5, 0.7])[:num_latents]
    log_var = np.array(-0.4) if orthogonal else rng.normal(size=num_dims) * 0.5
    return LinearGaussian(*map(jnp.asarray, (weights, rng.normal(size=num_dims), log_var)))


@jax.jit
def exact_log_evidence(model, x):
    """log p(x) of the oracle, in one program, as are the two closed forms below."""
    return model.log_evidence(x)


@jax.jit
def kl_to_posterior(model, mean, log_var, x):
    return model.kl_to_posterior(mean, log_var, x)


@jax.jit
def optimal_encode(model, x):
    return model.optimal_encode(x)


def gauss_hermite(num_latents, num_nodes=3):
    """Nodes [n, d] and weights [n] with which an average over N(0, I) of a polynomial is exact."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(num_nodes)
    grid = np.array(list(itertools.product(nodes, repeat=num_latents)))
    products = np.array([np.prod(w) for w in itertools.product(weights / weights.sum(), repeat=num_latents)])
    return jnp.asarray(grid), jnp.asarray(products)


def affine_encoder(params):
    """The family q(z|x) = N(A x + c, exp v), which contains the oracle's optimum."""

    def encode(x):
        return params["weights"] @ x + params["bias"], params["log_var"]

    return encode


def encoder_params(seed=5, num_dims=4, num_latents=2):
    rng = np.random.default_rng(seed)
    shapes = {"weights": (num_latents, num_dims), "bias": (num_latents,), "log_var": (num_latents,)}
    return {name: jnp.asarray(rng.normal(size=shape) * 0.3) for name, shape in shapes.items()}
