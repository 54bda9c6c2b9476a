"""The contract of a bijector, and the density that one gives."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float

from genjax._checks import check_float, check_not_nan, check_scalar
from genjax.densities import standard_normal_log_prob

__all__ = ["Bijector", "log_prob", "negative_log_likelihood"]


@runtime_checkable
class Bijector(Protocol):
    """An invertible map from noise z to data x, of ONE event; `jax.vmap` gives batches.

    Both methods also return log |det J| of the map they apply, a scalar, so that at matching points the two sum to
    zero. The density is `log_prob(bijector, x)`, and a sample is `bijector.forward(noise)[0]`.

    Any object with these two methods is a bijector. Those of this package are frozen dataclasses and pytrees:
    their float arrays are the parameters, so a flow is the tree that an optimizer updates.

    >>> from genjax.flow import Affine
    >>> isinstance(Affine(jnp.zeros(2), jnp.zeros(2)), Bijector)
    True
    """

    def forward(self, z: Array, /) -> tuple[Array, Array]:
        """Map noise to data: `(x, log |det dx/dz|)`."""
        ...

    def inverse(self, x: Array, /) -> tuple[Array, Array]:
        """Map data to noise: `(z, log |det dz/dx|)`."""
        ...


def log_prob(
    bijector: Bijector,
    x: Float[Array, "*event"],
    *,
    base_log_prob: Callable[[Array], Array] = standard_normal_log_prob,
) -> Float[Array, ""]:
    """Exact log-density of data under a flow: the change of variables.

    log p(x) = log p_Z(z) + log |det dz/dx|, z = f⁻¹(x)

    Args:
        bijector: f, from noise to data.
        x: one event, of any shape.
        base_log_prob: `base_log_prob(z) -> scalar`, log p_Z in nats; N(0, I) by default.

    Returns:
        Nats, summed over the event.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: the log-determinant or the base density is not a scalar, `x` does not fit the bijector, or a
            NaN, or an `x` outside the bijector's range (NaN under `jit`).

    Source: Dinh et al. (2017), section 3.1; Papamakarios et al. (2021), section 2.1.

    >>> from genjax.flow import Affine
    >>> flow = Affine(shift=jnp.ones(()), log_scale=jnp.log(2.0))    # x = 2z + 1
    >>> print(f"{log_prob(flow, jnp.array(3.0)):.6f}")
    -2.112086
    """
    check_float(x=x)
    check_not_nan(x=x)
    z, log_det = bijector.inverse(x)
    check_scalar("the log_det of bijector.inverse(x)", log_det)
    log_p_z = base_log_prob(z)
    check_scalar("base_log_prob(z)", log_p_z)
    return log_p_z + log_det


def negative_log_likelihood(
    bijector: Bijector,
    x: Float[Array, "*event"],
    *,
    base_log_prob: Callable[[Array], Array] = standard_normal_log_prob,
) -> Float[Array, ""]:
    """The maximum-likelihood loss of a flow, of one example.

    loss = −log p(x); its mean over data is KL(data ‖ flow) and the entropy of the data

    Args:
        bijector: f, from noise to data.
        x: one event, of any shape.
        base_log_prob: `base_log_prob(z) -> scalar`, log p_Z in nats; N(0, I) by default.

    Returns:
        Nats, summed over the event; `genjax.bits_per_dim` converts those of a density on [0, 1).

    Raises:
        TypeError: `x` is not floating point.
        ValueError: as `log_prob`.

    Source: Papamakarios et al. (2021), section 2.3.1.

    >>> from genjax.flow import Affine
    >>> print(f"{negative_log_likelihood(Affine(jnp.zeros(2), jnp.zeros(2)), jnp.zeros(2)):.4f}")
    1.8379
    """
    return -log_prob(bijector, x, base_log_prob=base_log_prob)
