"""From an NNX module to a pair of pure functions."""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, PRNGKeyArray, PyTree

__all__ = ["functional"]


def functional(
    build: Callable[[nnx.Rngs], nnx.Module],
    *,
    method: Callable[..., Any] = operator.call,
    constants: type[nnx.Variable] | None = None,
) -> tuple[Callable[[PRNGKeyArray], PyTree[Array]], Callable[..., Any]]:
    """Split a module into `init(key) -> params` and `apply(params, *args)` on plain dictionaries.

    Both are pure, so jax.jit, grad, vmap and scan apply as they stand: `vmap(init)` over keys gives several seeds.
    Under `jax.default_matmul_precision("bfloat16")` the network computes in bfloat16, on every backend: parameters
    and arrays are rounded on the way in, scalars such as times are not, and results come back in float32, in which
    normalisation and attention add up too.

    Args:
        build: `build(rngs) -> module`, e.g. `lambda rngs: MLP(64, (128,), 10, rngs=rngs)`.
        method: what `apply` calls on the module, e.g. `CausalTransformer.step`; the module itself by default.
        constants: a kind of variable that `apply` keeps as it is at the start, the same for every key; such as
            `nnx.BatchStat` for the vectors from which Flax's spectral normalisation iterates.

    Returns:
        `(init, apply)`.

    Raises:
        ValueError: the module holds state that is no parameter (running statistics, its own random streams), which
            a function of one example cannot carry. Pass keys per call; use group or layer normalisation.

    >>> from genjax.nn import MLP
    >>> init, apply = functional(lambda rngs: MLP(2, (8,), 3, rngs=rngs))
    >>> apply(init(jax.random.key(0)), jnp.ones(2)).shape
    (3,)
    """
    abstract = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
    graphdef, _, kept, rest = nnx.split(abstract, nnx.Param, constants or nnx.filterlib.Nothing(), ...)
    if jax.tree.leaves(rest):
        names = sorted("/".join(map(str, path)) for path, _ in nnx.to_flat_state(rest))
        raise ValueError(
            f"a function of one example cannot carry state other than parameters; got {', '.join(names)}"
        )

    fixed = (nnx.state(build(nnx.Rngs(0)), constants),) if jax.tree.leaves(kept) else (kept,)

    def init(key: PRNGKeyArray) -> PyTree[Array]:
        return nnx.to_pure_dict(nnx.state(build(nnx.Rngs(key)), nnx.Param))

    def apply(params: PyTree[Array], *args: Any, **kwargs: Any) -> Any:
        if jax.config.jax_default_matmul_precision != "bfloat16":  # pyright: ignore[reportAttributeAccessIssue]
            return method(nnx.merge(graphdef, params, *fixed), *args, **kwargs)
        rounded = lambda a: a.astype(jnp.bfloat16) if _is(a, jnp.float32) and jnp.ndim(a) else a
        params, args, kwargs = jax.tree.map(rounded, (params, args, kwargs))
        results = method(nnx.merge(graphdef, params, *fixed), *args, **kwargs)
        return jax.tree.map(lambda a: a.astype(jnp.float32) if _is(a, jnp.bfloat16) else a, results)

    return init, apply


def _is(a: Any, dtype: Any) -> bool:
    return getattr(a, "dtype", None) == dtype
