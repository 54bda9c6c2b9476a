"""Fitting a flow to a density that can be evaluated but not sampled: the reverse KL."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_float, check_key, check_not_nan, check_scalar
from genjax.densities import standard_normal_log_prob
from genjax.flow.bijector import Bijector, log_prob

__all__ = ["reverse_kl", "reverse_kl_integrand"]


def reverse_kl_integrand(
    bijector: Bijector,
    log_target: Callable[[Array], Array],
    noise: Float[Array, "*event"],
    *,
    sticking_the_landing: bool = False,
) -> Float[Array, ""]:
    """The integrand of the reverse KL at one noise draw.

    log q(x) − log p̃(x), x = f(z), log q(x) = log N(z; 0, I) − log |det dx/dz|

    Its mean over z ~ N(0, I) is KL(q ‖ p) − log Z for p̃ = Z p. With `sticking_the_landing` the value is the same and
    the gradient flows through x alone: the parameters inside log q(x) are stopped, which removes a term of mean zero.
    It stays unbiased and has no variance where q = p; it needs `inverse` as well as `forward`.

    Args:
        bijector: f, from noise to data; q is its density.
        log_target: `log_target(x) -> scalar`, log p̃ in nats, normalised or not.
        noise: z ~ N(0, I), one event.
        sticking_the_landing: stop the parameters inside log q(x).

    Returns:
        Nats.

    Raises:
        TypeError: `noise` is not floating point.
        ValueError: the target is not a scalar, `noise` does not fit the bijector, or a NaN.

    Source: Papamakarios et al. (2021), section 2.3.2; the stopped gradient: Roeder et al. (2017), section 4.

    >>> from genjax.flow import Affine
    >>> flow = Affine(shift=jnp.ones(1), log_scale=jnp.zeros(1))
    >>> print(reverse_kl_integrand(flow, standard_normal_log_prob, jnp.zeros(1)))
    0.5
    """
    check_float(noise=noise)
    check_not_nan(noise=noise)
    x, log_det = bijector.forward(noise)
    check_scalar("the log_det of bijector.forward(noise)", log_det)
    if sticking_the_landing:
        log_q = log_prob(jax.lax.stop_gradient(bijector), x)
    else:
        log_q = standard_normal_log_prob(noise) - log_det
    log_p = log_target(x)
    check_scalar("log_target(x)", log_p)
    return log_q - log_p


def reverse_kl(
    key: PRNGKeyArray,
    bijector: Bijector,
    log_target: Callable[[Array], Array],
    *,
    shape: tuple[int, ...],
    sticking_the_landing: bool = False,
) -> Float[Array, ""]:
    """Reverse KL of a flow to a target, up to the target's normalising constant: its estimate from one draw.

    E_z[log q(x) − log p̃(x)] = KL(q ‖ p) − log Z, x = f(z)

    The mean over keys (`jax.vmap`) is the loss of variational inference with a flow. At the optimum of a flexible
    flow it is −log Z.

    Args:
        key: one key; draws z.
        bijector: f, from noise to data; q is its density.
        log_target: `log_target(x) -> scalar`, log p̃ in nats, normalised or not.
        shape: of the noise; its dtype is that of the flow's parameters.
        sticking_the_landing: stop the parameters inside log q(x); see `reverse_kl_integrand`.

    Returns:
        Nats.

    Raises:
        TypeError: the key is not typed.
        ValueError: the key is a batch, the target is not a scalar, or `shape` does not fit the bijector.

    Source: Papamakarios et al. (2021), section 2.3.2.

    >>> from genjax.flow import Affine
    >>> flow = Affine(shift=jnp.zeros(2), log_scale=jnp.zeros(2))
    >>> print(reverse_kl(jax.random.key(0), flow, standard_normal_log_prob, shape=(2,)))
    0.0
    """
    check_key(key)
    floating = [leaf for leaf in jax.tree.leaves(bijector) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    dtype = jnp.result_type(*floating) if floating else jnp.result_type(float)
    noise = jax.random.normal(key, shape, dtype)
    return reverse_kl_integrand(bijector, log_target, noise, sticking_the_landing=sticking_the_landing)
