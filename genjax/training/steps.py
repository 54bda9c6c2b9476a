"""One optimisation step as a pure function of state, key and batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

__all__ = ["EmaState", "TrainState", "make_step", "with_ema"]


class TrainState(NamedTuple):
    """What a step carries.

    Args:
        step: how many steps have been taken.
        params: the parameters.
        opt_state: the optimizer's state.

    >>> TrainState(jnp.array(0), {"w": jnp.zeros(2)}, ()).params["w"].shape
    (2,)
    """

    step: Int[Array, ""]
    params: PyTree[Array]
    opt_state: PyTree[Any]


class EmaState(NamedTuple):
    """A state whose parameters, as others read them, are a moving average.

    Args:
        inner: the state of the step that is wrapped.
        params: the exponential moving average of its parameters.

    >>> EmaState(TrainState(jnp.array(3), {}, ()), {}).step.item()
    3
    """

    inner: Any
    params: PyTree[Array]

    @property
    def step(self) -> Array:
        """Steps taken; under vmap, of every seed."""
        return self.inner.step


Init = Callable[[PyTree[Array]], Any]
Step = Callable[[Any, PRNGKeyArray, PyTree[Array]], tuple[Any, dict[str, Array]]]


def make_step(loss: Callable[..., Any], optimizer: optax.GradientTransformation) -> tuple[Init, Step]:
    """Build `init` and `step` of gradient descent on one loss.

    Clipping, schedules and accumulation are the optimizer's: chain them in Optax. Optimizers that read the loss
    (`optax.lbfgs`, `optax.contrib.reduce_on_plateau`) are given its value, its gradient and, with the key and the
    batch of the step, the function itself.

    Args:
        loss: `loss(params, key, batch) -> scalar`, or `(scalar, terms)` with a dictionary or a NamedTuple of scalars.
        optimizer: any Optax gradient transformation.

    Returns:
        `init(params) -> TrainState`, which copies the parameters, and `step(state, key, batch) -> (state, metrics)`;
        the metrics are `loss`, `gradient_norm` and the terms. Build the pair once: `fit` compiles anew for a new
        `step`.

    Raises:
        ValueError: (on a step) a term is called `loss` or `gradient_norm`.

    >>> init, step = make_step(lambda params, key, batch: jnp.sum((params - batch) ** 2), optax.sgd(0.5))
    >>> state, metrics = step(init(jnp.zeros(())), jax.random.key(0), jnp.ones(()))
    >>> print(state.params, metrics["loss"])
    1.0 1.0
    """
    optimizer = optax.with_extra_args_support(optimizer)

    def loss_and_terms(params: PyTree[Array], key: PRNGKeyArray, batch: PyTree[Array]):
        return value_and_terms(loss(params, key, batch))

    def init(params: PyTree[Array]) -> TrainState:
        # Copies, so that a state given away by `fit(..., donate=True)` takes nothing of the caller's with it, and no
        # buffer twice where an optimizer keeps the parameters too.
        state = TrainState(jnp.zeros((), int), params, optimizer.init(params))
        return jax.tree.map(lambda leaf: jnp.copy(leaf) if isinstance(leaf, jax.Array) else leaf, state)

    def step(
        state: TrainState, key: PRNGKeyArray, batch: PyTree[Array]
    ) -> tuple[TrainState, dict[str, Array]]:
        differentiate = jax.value_and_grad(loss_and_terms, has_aux=True)
        (value, terms), gradient = differentiate(state.params, key, batch)
        updates, opt_state = optimizer.update(
            gradient,
            state.opt_state,
            state.params,
            value=value,
            grad=gradient,
            value_fn=lambda params: loss_and_terms(params, key, batch)[0],
        )
        params = optax.apply_updates(state.params, updates)
        metrics = {"loss": value, "gradient_norm": optax.tree.norm(gradient), **terms}
        return TrainState(state.step + 1, params, opt_state), metrics

    return init, step


def value_and_terms(result: Any) -> tuple[Array, dict[str, Array]]:
    """What a loss returned, as its value and its terms by name, which must leave the names of the metrics free.

    >>> value, terms = value_and_terms((jnp.array(1.0), {"kl": jnp.array(0.5)}))
    >>> print(value, terms["kl"])
    1.0 0.5
    """
    terms: Any
    value, terms = result if isinstance(result, tuple) else (result, {})
    terms = terms._asdict() if hasattr(terms, "_asdict") else terms
    taken = sorted({"loss", "gradient_norm"} & set(terms))
    if taken:
        raise ValueError(
            f"a term of the loss must not be called loss or gradient_norm, which are metrics of their own; "
            f"got {', '.join(taken)} among {', '.join(sorted(terms))}"
        )
    return value, terms


def with_ema(init: Init, step: Step, decay: float) -> tuple[Init, Step]:
    """Average the parameters of a step exponentially, starting at the initial ones and so without debiasing.

    ema ← decay · ema + (1 − decay) · params, after every step

    Args:
        init: `init(params) -> state`.
        step: `step(state, key, batch) -> (state, metrics)`.
        decay: in [0, 1).

    Returns:
        `init` and `step` of an `EmaState`, whose `params` are the average and whose `inner` is the state.

    Raises:
        ValueError: `decay` is out of range.

    >>> init, step = with_ema(*make_step(lambda p, key, batch: -p, optax.sgd(1.0)), 0.5)
    >>> print(step(init(jnp.zeros(())), jax.random.key(0), None)[0].params)
    0.5
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay must lie in [0, 1); got {decay}")

    def init_ema(params: PyTree[Array]) -> EmaState:
        return EmaState(init(params), jax.tree.map(jnp.copy, params))

    def step_ema(
        state: EmaState, key: PRNGKeyArray, batch: PyTree[Array]
    ) -> tuple[EmaState, dict[str, Array]]:
        inner, metrics = step(state.inner, key, batch)
        return EmaState(inner, optax.incremental_update(inner.params, state.params, 1 - decay)), metrics

    return init_ema, step_ema
