"""Learning an energy with persistent chains, as a step."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array, PRNGKeyArray, PyTree

from genjax.batching import expectation
from genjax.energy import ReplayBuffer, contrastive_divergence
from genjax.training.steps import Init, Step, TrainState, make_step

__all__ = ["ChainState", "make_chain_step"]


class ChainState(NamedTuple):
    """A training state and the chains that go with it.

    Args:
        inner: the state of the step on parameters.
        buffer: where the chains stand.

    >>> ChainState(TrainState(jnp.array(3), {}, ()), ReplayBuffer(jnp.zeros((4, 2)))).step.item()
    3
    """

    inner: TrainState
    buffer: ReplayBuffer

    @property
    def step(self) -> Array:
        """Steps taken; under vmap, of every seed."""
        return self.inner.step

    @property
    def params(self) -> PyTree[Array]:
        """The parameters."""
        return self.inner.params


def make_chain_step(
    energy_fn: Callable[[PyTree[Array], Array], Array],
    transition: Callable[[PyTree[Array], PRNGKeyArray, Array], Array],
    fresh: Callable[[PyTree[Array], PRNGKeyArray], Array],
    optimizer: optax.GradientTransformation,
    *,
    num_chains: int,
    restart: float = 0.0,
) -> tuple[Init, Step]:
    """Build `init` and `step` of persistent contrastive divergence: as many chains move as the batch has examples.

    Chains are drawn from a buffer, moved under the present energy, and put back:
    gradient = ∇ mean [E(x_data) − E(x_chain)], the chains held fixed.

    Args:
        energy_fn: `energy_fn(params, x) -> scalar`, of one state, in nats.
        transition: `transition(params, key, x) -> x`, of one state: leaves exp(−E) invariant, or nearly.
        fresh: `fresh(params, key) -> x`, the state of a new chain.
        optimizer: any Optax gradient transformation.
        num_chains: of the buffer, at least as many as a batch.
        restart: the share of drawn chains that start afresh.

    Returns:
        `init(params) -> ChainState` and `step(state, key, batch) -> (state, metrics)`; its `loss` is
        the difference of mean energies, which says nothing of the likelihood.

    >>> energy = lambda mean, x: jnp.sum((x - mean) ** 2) / 2
    >>> exact = lambda mean, key, x: mean + jax.random.normal(key, x.shape)
    >>> init, step = make_chain_step(energy, exact, lambda mean, key: jnp.zeros(1), optax.sgd(0.5), num_chains=64)
    >>> state, key, move = init(jnp.zeros(1)), jax.random.key(0), jax.jit(step)
    >>> for n in range(50):
    ...     state, _ = move(state, jax.random.fold_in(key, n), jnp.full((64, 1), 3.0))
    >>> print(f"{state.params[0]:.0f}")
    3
    """

    def difference(params: Any, key: PRNGKeyArray, batch: tuple[Array, Array]) -> Array:
        one = lambda key, x, chain: contrastive_divergence(lambda x: energy_fn(params, x), x, chain)
        return expectation(one)(key, *batch)

    init_params, step_params = make_step(difference, optimizer)

    def init(params: PyTree[Array]) -> ChainState:
        # The same chains for every seed: its own keys move them from the first step on.
        keys = jax.random.split(jax.random.key(0), num_chains)
        return ChainState(init_params(params), ReplayBuffer(jax.vmap(partial(fresh, params))(keys)))

    def step(state: ChainState, key: PRNGKeyArray, batch: Array) -> tuple[ChainState, dict[str, Array]]:
        key_fresh, key_draw, key_move, key_step = jax.random.split(key, 4)
        n = batch.shape[0]
        starts = jax.vmap(partial(fresh, state.params))(jax.random.split(key_fresh, n))
        places, chains = state.buffer.draw(key_draw, starts, restart=restart)
        moved = jax.vmap(lambda key, x: transition(state.params, key, x))(
            jax.random.split(key_move, n), chains
        )
        inner, metrics = step_params(state.inner, key_step, (batch, moved))
        return ChainState(inner, state.buffer.store(places, moved)), metrics

    return init, step
