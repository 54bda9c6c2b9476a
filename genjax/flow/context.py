"""Conditional flows: a context that the conditioners read.

Labels and other contexts reach a flow as they reach every model of this library: by closure, inside the user's loss
of one example. A conditioner that reads a context is held as `ContextConditioner(Bound(params, apply))`, with
`apply(params, x, context)`, or where it is the velocity of a `ContinuousFlow`, `apply(params, x, t, context)`;
`given(bijector, context)` closes all of them over one context and is then an ordinary bijector, whose density is
p(x | context):

    def loss(flow, x, label):                                       # ONE example; train the unbound flow
        return negative_log_likelihood(given(flow, label), x)
    jax.vmap(loss, (None, 0, 0))(flow, images, labels)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
from jaxtyping import Array

__all__ = ["ContextConditioner", "given"]

T = TypeVar("T")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class ContextConditioner:
    """A conditioner, or a velocity, that also reads a context, which `given` binds.

    raw = conditioner(x, context), v = velocity(x, t, context)

    In a `Coupling` whose mask is false everywhere it makes a layer that reads the context alone, such as a Gaussian
    whose mean and scale a label decides.

    Args:
        conditioner: `conditioner(x, context) -> raw`, or `velocity(x, t, context) -> v`, a `Bound`.
        context: any pytree of arrays, or None before it is bound.

    >>> from genjax import Bound
    >>> shift = ContextConditioner(Bound(jnp.array(2.0), lambda w, x, context: w * context))
    >>> print(given(shift, jnp.array(3.0))(jnp.zeros(1)))
    6.0
    """

    conditioner: Callable[..., Array]
    context: Any = None

    def __call__(self, *args: Array) -> Array:
        """Raw parameters for the event, or the velocity at an event and a time, in the bound context."""
        if self.context is None:
            raise ValueError("this conditioner reads a context and has none: use given(bijector, context)")
        return self.conditioner(*args, self.context)


def given(bijector: T, context: Any) -> T:
    """Bind a context in every `ContextConditioner` of a bijector.

    given(f, c) is the flow of p(x | c)

    Args:
        bijector: any structure that holds `ContextConditioner`s.
        context: of one example: an array or a pytree of arrays.

    Returns:
        The same structure, in which every `ContextConditioner` reads `context`, in place of any bound before.

    Raises:
        ValueError: nothing in `bijector` reads a context.

    Source: conditional coupling and autoregressive layers, Papamakarios et al. (2017), section 3.4.

    >>> from genjax import Bound
    >>> from genjax.flow import Coupling, affine, log_prob
    >>> net = ContextConditioner(Bound(jnp.ones(()), lambda w, x, c: w * jnp.stack([c, 0.0])))
    >>> flow = Coupling(net, affine, mask=False)                       # x ~ N(c, 1)
    >>> print(f"{log_prob(given(flow, jnp.array(3.0)), jnp.array(3.0)):.4f}")
    -0.9189
    """
    if not any(map(_reads, jax.tree.leaves(bijector, is_leaf=_reads))):
        raise ValueError(f"no conditioner of the bijector reads a context; got {type(bijector).__name__}")
    return bind(bijector, context)


def bind(bijector: T, context: Any) -> T:
    """As `given`, and the bijector itself where nothing in it reads a context."""
    bound = lambda node: ContextConditioner(node.conditioner, context) if _reads(node) else node
    return jax.tree.map(bound, bijector, is_leaf=_reads)


def _reads(node: Any) -> bool:
    return isinstance(node, ContextConditioner)
