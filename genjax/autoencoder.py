"""The autoencoder beside the VAE: reconstruction alone, no prior and no likelihood of data."""

from collections.abc import Callable

from jaxtyping import Array, Float

from genjax._checks import check_float, check_not_nan, check_scalar

__all__ = ["reconstruction_loss"]


def reconstruction_loss(
    encode: Callable[[Array], Array], log_likelihood: Callable[[Array, Array], Array], x: Array
) -> Float[Array, ""]:
    """Reconstruction cost of a deterministic code; nothing asks the codes to fill a distribution.

    loss = −log p(x | z = f(x)); it is the distortion of a VAE whose posterior is a point, and no bound on −log p(x)

    Args:
        encode: `encode(x) -> z`.
        log_likelihood: `log_likelihood(x, z) -> scalar`, in nats, as the VAE's.
        x: one example.

    Returns:
        Nats.

    Raises:
        TypeError: the code is not floating point.
        ValueError: the likelihood is not a scalar, or a NaN in the code.

    Source: Hinton and Salakhutdinov (2006).

    >>> log_likelihood = lambda x, z: -0.5 * jnp.sum((x - z)**2)
    >>> print(reconstruction_loss(lambda x: 0.5 * x, log_likelihood, jnp.array([2.0])))
    0.5
    """
    z = encode(x)
    check_float(z=z)
    check_not_nan(z=z)
    log_p_x = log_likelihood(x, z)
    check_scalar("log_likelihood(x, z)", log_p_x)
    return -log_p_x
