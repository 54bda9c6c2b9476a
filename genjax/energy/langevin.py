"""Metropolis-adjusted Langevin dynamics: a chain that has the energy's own distribution, at any step size."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_float, check_key, check_not_nan, check_scalar, check_values
from genjax.energy._energies import EnergyFn, energy_of
from genjax.score import langevin_step

__all__ = ["MetropolisChain", "metropolis_langevin"]


class MetropolisChain(NamedTuple):
    """Where a Metropolis chain stands, and how readily it moved.

    Args:
        x: the state.
        acceptance: the mean probability of acceptance over the steps; near .57 the step size is the best one.

    >>> print(MetropolisChain(x=jnp.zeros(2), acceptance=jnp.array(0.5)).acceptance)
    0.5
    """

    x: Array
    acceptance: Array


def metropolis_langevin(
    key: PRNGKeyArray,
    energy_fn: EnergyFn,
    x: Float[Array, "*event"],
    *,
    step_size: float | Float[Array, ""],
    num_steps: int = 1,
) -> MetropolisChain:
    """Langevin steps, each accepted or refused so that exp(−E) stays invariant.

    y = x − η ∇E(x) + √(2η) ε, accepted with probability min(1, exp(E(x) − E(y)) q(x|y) / q(y|x)),
    q(y|x) = N(y; x − η ∇E(x), 2η)

    Args:
        key: one key; step k draws from `fold_in(key, k)`.
        energy_fn: `energy_fn(x) -> scalar`, in nats, differentiable; a proposal of energy +∞ is refused.
        x: the state, of any shape.
        step_size: η, positive, in squared units of `x`; may be traced.
        num_steps: steps of the chain.

    Returns:
        `MetropolisChain(x, acceptance)`.

    Raises:
        TypeError: the key is not typed, or a dtype is not floating point.
        ValueError: the energy is not a scalar, `step_size` is not positive, or the energy met NaN or −∞ on the way
            (NaN under `jit`).

    Source: Roberts and Tweedie (1996), section 1.4; the acceptance of .574: Roberts and Rosenthal (1998).

    >>> energy = lambda x: jnp.sum(x**2) / 2
    >>> draw = lambda key: metropolis_langevin(key, energy, jnp.zeros(1), step_size=0.5, num_steps=50).x
    >>> x = jax.vmap(draw)(jax.random.split(jax.random.key(0), 2000))
    >>> print(f"{jnp.var(x):.1f}")
    1.0
    """
    check_key(key)
    check_float(x=x)
    check_not_nan(x=x)
    check_count(num_steps=num_steps)
    check_scalar("step_size", step_size)
    eta = jnp.asarray(step_size, x.dtype)
    check_values("step_size", eta, eta > 0, "be positive")
    energy_and_gradient = jax.value_and_grad(lambda x: energy_of(energy_fn, x))

    def log_q(y: Array, x: Array, gradient: Array) -> Array:
        return -jnp.sum((y - x + eta * gradient) ** 2) / (4 * eta)

    def step(state: tuple[Array, Array, Array], k: Array):
        x, energy, gradient = state
        key_noise, key_accept = jax.random.split(jax.random.fold_in(key, k))
        noise = jax.random.normal(key_noise, x.shape, x.dtype)
        y = langevin_step(lambda x: -gradient, x, noise, step_size=eta)
        energy_y, gradient_y = energy_and_gradient(y)
        log_ratio = energy - energy_y + log_q(x, y, gradient_y) - log_q(y, x, gradient)
        # Outside the support the gradient need not exist; a NaN or −∞ must surface, not be refused.
        log_ratio = jnp.where(energy_y == jnp.inf, -jnp.inf, log_ratio)
        log_ratio = jnp.where(energy_y > -jnp.inf, log_ratio, jnp.nan)
        acceptance = jnp.exp(jnp.minimum(log_ratio, 0.0))
        accept = jax.random.uniform(key_accept, (), acceptance.dtype) < acceptance
        keep = lambda new, old: jnp.where(jnp.isnan(log_ratio), jnp.nan, jnp.where(accept, new, old))
        return jax.tree.map(keep, (y, energy_y, gradient_y), state), acceptance

    (x, _, _), acceptance = jax.lax.scan(step, (x, *energy_and_gradient(x)), jnp.arange(int(num_steps)))
    check_values("x", x, ~jnp.isnan(x), "stay a number: the chain met an energy of NaN or -inf")
    return MetropolisChain(x, jnp.mean(acceptance))
