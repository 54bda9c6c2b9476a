"""A continuous normalizing flow of vectors."""

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, PRNGKeyArray

from genjax.flow import ContinuousFlow
from genjax.nn.flows import conditioner, near_zero
from genjax.nn.functional import functional
from genjax.nn.mlp import MLP

__all__ = ["continuous_flow"]


def continuous_flow(
    key: PRNGKeyArray,
    num_dims: int,
    *,
    hidden: Sequence[int] = (64, 64),
    num_steps: int | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    num_context: int = 0,
) -> ContinuousFlow:
    """FFJORD: a continuous flow whose velocity is a smooth perceptron of the event and the time.

    v(x, t) = MLP([x, t]) with tanh between its layers

    The divergence is exact until a direction is put in; see `genjax.flow.ContinuousFlow`.

    Args:
        key: one key; draws the perceptron's weights.
        num_dims: the length of a data vector.
        hidden: widths of the hidden layers.
        num_steps: a fixed number of the solver's steps, or None for steps by the tolerances.
        rtol: relative tolerance per step.
        atol: absolute tolerance per step.
        num_context: where positive, the velocity also reads a context vector of this length, bound by
            `genjax.flow.given`: v(x, t, c) = MLP([x, c, t]).

    Returns:
        A bijector of vectors, near the identity.

    Source: Grathwohl et al. (2019), section 3.

    >>> flow = continuous_flow(jax.random.key(0), 2, hidden=(8,), num_steps=2)
    >>> flow.forward(jnp.zeros(2))[0].shape
    (2,)
    """
    init, apply = _field(num_dims, tuple(hidden), num_context)
    velocity = conditioner(near_zero(init(key)), apply, num_context)
    return ContinuousFlow(velocity, num_steps=num_steps, rtol=rtol, atol=atol)


@functools.cache
def _field(num_dims: int, hidden: tuple[int, ...], num_context: int) -> tuple[Any, Any]:
    num_inputs = num_dims + num_context + 1
    init, apply = functional(lambda rngs: MLP(num_inputs, hidden, num_dims, activation=nnx.tanh, rngs=rngs))

    def velocity(params: Any, x: Array, t: Array) -> Array:
        return apply(params, jnp.append(x, t))

    return init, velocity
