"""Chains that persist between updates of the energy."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer, PRNGKeyArray

from genjax._checks import check_float, check_key, check_same_shape, check_values

__all__ = ["ReplayBuffer"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class ReplayBuffer:
    """States of past chains, from which the next chains start; a value: `store` returns a new one.

    x_i ~ fresh start with probability r, else a stored state; after the chain's steps it is stored in its place

    Args:
        chains: the states, `[n, ...]`; filled with fresh starts at first.

    Source: persistent chains: Tieleman (2008); restarts: Du and Mordatch (2019), section 3.2.

    >>> buffer = ReplayBuffer(jnp.zeros((4, 2)))
    >>> places, x = buffer.draw(jax.random.key(0), jnp.ones((2, 2)), restart=0.0)
    >>> print(buffer.store(places, x + 5.0).chains.sum())
    20.0
    """

    chains: Array

    def draw(
        self, key: PRNGKeyArray, fresh: Float[Array, "b *event"], *, restart: float | Float[Array, ""] = 0.05
    ) -> tuple[Integer[Array, " b"], Float[Array, "b *event"]]:
        """Starts of b chains and their places: distinct stored states, each replaced by a fresh one with chance r."""
        check_key(key)
        check_float(fresh=fresh, chains=self.chains)
        if jnp.ndim(fresh) == 0 or fresh.shape[1:] != self.chains.shape[1:] or len(fresh) > len(self.chains):
            raise ValueError(
                f"fresh must be at most as many starts as there are chains, of their shape: fresh "
                f"{jnp.shape(fresh)}, chains {self.chains.shape}"
            )
        restart = jnp.asarray(restart)
        valid = (restart >= 0) & (restart <= 1)
        check_values("restart", restart, valid, "lie in [0, 1]")
        key_place, key_restart = jax.random.split(key)
        places = jax.random.choice(key_place, len(self.chains), (len(fresh),), replace=False)
        restarted = jax.random.bernoulli(key_restart, restart, (len(fresh),))
        x = jnp.where(_rows(restarted, fresh), fresh, self.chains[places])
        return places, jnp.where(valid, x, jnp.nan)

    def store(self, places: Integer[Array, " b"], x: Float[Array, "b *event"]) -> "ReplayBuffer":
        """The buffer with the states x in these places."""
        check_same_shape(x=x, chains_at_places=self.chains[places])
        return ReplayBuffer(self.chains.at[places].set(jax.lax.stop_gradient(x)))


def _rows(mask: Bool[Array, " b"], like: Array) -> Bool[Array, "b ..."]:
    return jnp.reshape(mask, (-1,) + (1,) * (like.ndim - 1))
