"""Normalizing flows of vectors, assembled from `genjax.flow` and the networks of this package.

Each function returns a bijector whose float arrays are its parameters, so the result itself is what an optimizer
trains. All are pure functions of the key: `jax.vmap` over keys gives several seeds at once.

    flow = real_nvp(key, 2, num_layers=8, hidden=(64, 64))
    loss = lambda flow, x: negative_log_likelihood(flow, x)          # ONE example
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, PRNGKeyArray, PyTree

from genjax.autoregressive import sequential_degrees
from genjax.flow import (
    ActNorm,
    Bijector,
    Chain,
    ContextConditioner,
    Coupling,
    MaskedAutoregressive,
    Permutation,
    RationalQuadraticSpline,
    affine,
    checkerboard_mask,
)
from genjax.nn.functional import functional
from genjax.nn.masked import MaskedMLP
from genjax.nn.mlp import MLP
from genjax.structures import Bound

__all__ = ["identity_actnorm", "maf", "real_nvp", "spline_autoregressive_flow", "spline_coupling_flow"]

Transformer = Callable[[Array], Bijector]
Degrees = Callable[[int, Sequence[int]], Sequence[Sequence[int]]]

# Of the kernel that gives a transformer's raw parameters: the flow starts near the identity, and not at it, where
# the hidden layers would have no gradient.
_LAST_SCALE = 0.1


def spline_coupling_flow(
    key: PRNGKeyArray,
    num_dims: int,
    *,
    num_layers: int = 4,
    hidden: Sequence[int] = (64, 64),
    num_bins: int = 16,
    bound: float = 4.0,
    num_context: int = 0,
) -> Chain:
    """The neural spline flow of coupling layers: every other coordinate moves along a spline, in turn.

    Args:
        key: one key; draws the perceptrons' weights.
        num_dims: the length of a data vector, at least 2.
        num_layers: coupling layers; two move every coordinate once.
        hidden: widths of the perceptrons' hidden layers.
        num_bins: bins of a spline.
        bound: half the side of the box outside which the flow is the identity: scale the data into it.
        num_context: where positive, the conditioners also read a context vector of this length, bound by
            `genjax.flow.given`.

    Returns:
        A bijector of vectors, near the identity.

    Raises:
        ValueError: `num_dims` is below 2.

    Source: Durkan et al. (2019), section 4.

    >>> flow = spline_coupling_flow(jax.random.key(0), 3, num_layers=2, hidden=(8,), num_bins=4)
    >>> flow.forward(jnp.zeros(3))[0].shape
    (3,)
    """
    num_raw = 3 * num_bins - 1
    return Chain(
        tuple(_couplings(key, num_dims, num_layers, tuple(hidden), _spline(bound), num_raw, num_context))
    )


def real_nvp(
    key: PRNGKeyArray,
    num_dims: int,
    *,
    num_layers: int = 8,
    hidden: Sequence[int] = (64, 64),
    norm: Callable[[int], Bijector] | None = None,
    num_context: int = 0,
) -> Chain:
    """RealNVP: every other coordinate is shifted and scaled by a perceptron of the rest, in turn.

    The log-scale of a layer is 5 tanh(raw / 5), bounded smoothly (`genjax.flow.affine`).

    Args:
        key: one key; draws the perceptrons' weights.
        num_dims: the length of a data vector, at least 2.
        num_layers: coupling layers; two move every coordinate once.
        hidden: widths of the perceptrons' hidden layers.
        norm: `norm(num_dims) -> bijector`, put between layers: `identity_actnorm` or None.
        num_context: where positive, the conditioners also read a context vector of this length, bound by
            `genjax.flow.given`.

    Returns:
        A bijector of vectors, near the identity.

    Raises:
        ValueError: `num_dims` is below 2.

    Source: Dinh et al. (2017), sections 3.2 to 3.5.

    >>> flow = real_nvp(jax.random.key(0), 2, num_layers=2, hidden=(8,))
    >>> flow.forward(jnp.zeros(2))[0].shape
    (2,)
    """
    layers = _couplings(key, num_dims, num_layers, tuple(hidden), affine, 2, num_context)
    return _chain(layers, () if norm is None else (norm(num_dims),))


def spline_autoregressive_flow(
    key: PRNGKeyArray,
    num_dims: int,
    *,
    num_layers: int = 4,
    hidden: Sequence[int] = (64, 64),
    num_bins: int = 16,
    bound: float = 4.0,
    degrees: Degrees = sequential_degrees,
    num_context: int = 0,
) -> Chain:
    """The autoregressive neural spline flow: every coordinate moves along a spline that those before it decide.

    The order is reversed from layer to layer. Densities take one pass of each network; samples one per coordinate.

    Args:
        key: one key; draws the networks' weights.
        num_dims: the length of a data vector.
        num_layers: autoregressive layers.
        hidden: widths of the hidden layers of each `MaskedMLP`.
        num_bins: bins of a spline.
        bound: half the side of the box outside which the flow is the identity: scale the data into it.
        degrees: `degrees(num_dims, hidden)`, the connectivity: `genjax.autoregressive.sequential_degrees`, or
            `functools.partial(random_degrees, key)` for one draw that all layers share; a context counts as one
            dimension more.
        num_context: where positive, the conditioners also read a context vector of this length, bound by
            `genjax.flow.given`.

    Returns:
        A bijector of vectors, near the identity.

    Raises:
        ValueError: a degree is out of range.

    Source: Durkan et al. (2019), section 4.

    >>> flow = spline_autoregressive_flow(jax.random.key(0), 2, num_layers=2, hidden=(8,), num_bins=4)
    >>> flow.inverse(jnp.zeros(2))[0].shape
    (2,)
    """
    conditioners = _masked_perceptrons(
        key, num_dims, num_layers, tuple(hidden), 3 * num_bins - 1, degrees, num_context
    )
    layers = [MaskedAutoregressive(conditioner, _spline(bound)) for conditioner in conditioners]
    return _chain(layers, (_reversal(num_dims),))


def identity_actnorm(num_dims: int) -> ActNorm:
    """An `ActNorm` that does nothing until `genjax.flow.fit_actnorm` sets it or training moves it.

    Args:
        num_dims: the length of the last axis.

    Returns:
        The layer, of zero shift and log-scale.

    >>> print(identity_actnorm(2).forward(jnp.ones(2))[0])
    [1. 1.]
    """
    return ActNorm(jnp.zeros(num_dims), jnp.zeros(num_dims))


def maf(
    key: PRNGKeyArray,
    num_dims: int,
    *,
    num_layers: int = 5,
    hidden: Sequence[int] = (64, 64),
    degrees: Degrees = sequential_degrees,
    norm: Callable[[int], Bijector] | None = identity_actnorm,
    num_context: int = 0,
) -> Chain:
    """The masked autoregressive flow: every coordinate is shifted and scaled as those before it decide.

    The order is reversed from layer to layer. Densities take one pass of each network; samples one per coordinate.
    The log-scale of a layer is 5 tanh(raw / 5), bounded smoothly (`genjax.flow.affine`).

    Args:
        key: one key; draws the networks' weights.
        num_dims: the length of a data vector.
        num_layers: autoregressive layers.
        hidden: widths of the hidden layers of each `MaskedMLP`.
        degrees: `degrees(num_dims, hidden)`, the connectivity: `genjax.autoregressive.sequential_degrees`, or
            `functools.partial(random_degrees, key)` for one draw that all layers share; a context counts as one
            dimension more.
        norm: `norm(num_dims) -> bijector`, put between layers: `identity_actnorm` or None. (The paper's is batch
            normalization, which couples examples.)
        num_context: where positive, the conditioners also read a context vector of this length, bound by
            `genjax.flow.given`.

    Returns:
        A bijector of vectors, near the identity.

    Raises:
        ValueError: a degree is out of range.

    Source: Papamakarios et al. (2017), sections 3.1, 3.2 and, of the context, 3.4.

    >>> flow = maf(jax.random.key(0), 3, num_layers=2, hidden=(8,))
    >>> flow.inverse(jnp.zeros(3))[0].shape
    (3,)
    """
    conditioners = _masked_perceptrons(key, num_dims, num_layers, tuple(hidden), 2, degrees, num_context)
    layers = [MaskedAutoregressive(conditioner, affine) for conditioner in conditioners]
    reversal = _reversal(num_dims)
    return _chain(layers, (reversal,) if norm is None else (reversal, norm(num_dims)))


def _couplings(
    key: PRNGKeyArray,
    num_dims: int,
    num_layers: int,
    hidden: tuple[int, ...],
    transformer: Transformer,
    num_raw: int,
    num_context: int,
) -> list[Coupling]:
    """Coupling layers that move every other coordinate in turn, by `num_raw` outputs of a perceptron each."""
    if num_dims < 2:
        raise ValueError(f"a coupling needs num_dims of at least 2; got {num_dims}")
    layers = []
    for i, k in enumerate(jax.random.split(key, num_layers)):
        mask = checkerboard_mask((num_dims,), flip=i % 2 == 1)
        init, apply = _mlp(num_dims + num_context, hidden, mask.count(False) * num_raw)
        net = conditioner(near_zero(init(k)), apply, num_context)
        layers.append(Coupling(net, transformer, mask, moved_only=True))
    return layers


def _chain(layers: Sequence[Bijector], between: tuple[Bijector, ...]) -> Chain:
    parts: list[Bijector] = [layers[0]]
    for layer in layers[1:]:
        parts += [*between, layer]
    return Chain(tuple(parts))


def _reversal(num_dims: int) -> Permutation:
    return Permutation(tuple(reversed(range(num_dims))))


def _masked_perceptrons(
    key: PRNGKeyArray,
    num_dims: int,
    num_layers: int,
    hidden: tuple[int, ...],
    num_outputs: int,
    degrees: Degrees,
    num_context: int,
) -> list[Any]:
    connectivity = tuple(map(tuple, degrees(num_dims + bool(num_context), hidden)))
    init, apply = _masked_mlp(num_dims, hidden, num_outputs, connectivity, num_context)
    return [conditioner(near_zero(init(k)), apply, num_context) for k in jax.random.split(key, num_layers)]


def conditioner(params: PyTree[Array], apply: Callable[..., Array], num_context: int) -> Any:
    """A network with its parameters: of an event, or where `num_context` is positive, of an event and a context.

    `apply(params, x, ...)` finds the context after the last axis of `x`: at the end of a vector, or as further
    channels of every pixel.
    """
    if not num_context:
        return Bound(params, apply)
    return ContextConditioner(Bound(params, _with_context(apply, num_context)))


def near_zero(params: PyTree[Array], *, scale: float = _LAST_SCALE) -> PyTree[Array]:
    """The parameters of a perceptron in JAX's default precision, with the kernel of the last layer scaled down."""
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.result_type(float)), params)
    layers = dict(params["layers"])
    last = max(layers)
    layers[last] = layers[last] | {"kernel": scale * layers[last]["kernel"]}
    return params | {"layers": layers}


# Cached, because the functions stand in static fields: two flows of equal sizes then have equal structure, so that
# jit compiles once for both and jax.tree.map takes them together.
@functools.cache
def _mlp(num_inputs: int, hidden: tuple[int, ...], num_outputs: int) -> tuple[Any, Any]:
    # ReLU, as the papers have it: GELU costs a sixth of a step of a spline flow in the plane and fits no better.
    return functional(lambda rngs: MLP(num_inputs, hidden, num_outputs, activation=nnx.relu, rngs=rngs))


@functools.cache
def _with_context(apply: Callable[..., Array], num_context: int) -> Callable[..., Array]:
    def read(params: PyTree[Array], x: Array, *rest: Array) -> Array:
        *time, context = rest
        if jnp.shape(context) != (num_context,):
            raise ValueError(f"the context must be a vector of {num_context}; got shape {jnp.shape(context)}")
        repeated = jnp.broadcast_to(context, (*x.shape[:-1], num_context))
        return apply(params, jnp.concatenate([x, repeated], axis=-1), *time)

    return read


@functools.cache
def _masked_mlp(
    num_inputs: int,
    hidden: tuple[int, ...],
    num_outputs: int,
    degrees: tuple[tuple[int, ...], ...],
    num_context: int,
) -> tuple[Any, Any]:
    build = lambda rngs: MaskedMLP(
        num_inputs,
        hidden,
        num_outputs,
        num_context=num_context,
        degrees=lambda *_: degrees,
        activation=nnx.gelu,
        rngs=rngs,
    )
    return functional(build)


@functools.cache
def _spline(bound: float) -> Transformer:
    return functools.partial(RationalQuadraticSpline, bound=bound)
