"""The autoregressive model that can be written down: a table of all its conditionals."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from genjax._checks import check_count, check_float, check_integer, check_key, check_not_nan, check_values

__all__ = ["AutoregressiveTable"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class AutoregressiveTable:
    """A distribution over sequences of n levels 0..K−1, given by the logits of every conditional.

    p(x) = Π_i softmax(ℓ_i[x_0, …, x_{i−1}])_{x_i}; any distribution over sequences has this form

    Args:
        logits: n arrays; ℓ_i has i axes for the prefix and one for the level, all of length K.

    Source: the chain rule of probability, as in Bengio and Bengio (2000).

    >>> first, second = jnp.log(jnp.array([0.2, 0.8])), jnp.log(jnp.array([[0.9, 0.1], [0.5, 0.5]]))
    >>> table = AutoregressiveTable((first, second))
    >>> print(f"{jnp.exp(table.log_prob(jnp.array([1, 0]))):.2f}")                # .8 × .5
    0.40
    """

    logits: tuple[Array, ...]

    @property
    def num_levels(self) -> int:
        """The number of levels, K."""
        return self.logits[0].shape[0]

    def logits_fn(self, x: Integer[Array, " n"]) -> Float[Array, "n k"]:
        """Logits `[n, K]` of every position given what comes before it: the callable of the autoregressive family."""
        self._check()
        return jnp.stack([table[tuple(x[:i])] for i, table in enumerate(self.logits)])

    def log_probs(self) -> Float[Array, "..."]:
        """Log-probability of every sequence, an array of n axes of length K."""
        self._check()
        n = len(self.logits)
        conditionals = [jax.nn.log_softmax(table) for table in self.logits]
        aligned = [jnp.expand_dims(c, tuple(range(i + 1, n))) for i, c in enumerate(conditionals)]
        return sum(aligned[1:], start=jnp.broadcast_to(aligned[0], (self.num_levels,) * n))

    def log_prob(self, x: Integer[Array, " n"]) -> Float[Array, ""]:
        """The log-probability of x in nats, read from the table of all sequences."""
        check_integer(x=x)
        n = len(self.logits)
        if jnp.shape(x) != (n,):
            raise ValueError(f"x must have shape {(n,)}; got {jnp.shape(x)}")
        x = x.astype(int)
        inside = (x >= 0) & (x < self.num_levels)
        check_values("x", x, inside, f"lie in 0..{self.num_levels - 1}")
        return jnp.where(inside.all(), self.log_probs()[tuple(x)], jnp.nan)

    def sequences(self) -> Integer[Array, "num_sequences n"]:
        """All Kⁿ sequences, in the order of `log_probs().ravel()`."""
        n = len(self.logits)
        return jnp.stack(jnp.unravel_index(jnp.arange(self.num_levels**n), (self.num_levels,) * n), axis=1)

    def sample(self, key: PRNGKeyArray, n: int) -> Integer[Array, "n_samples n"]:
        """Draw n whole sequences, `[n, length]`, each from the table of all sequences."""
        check_key(key)
        check_count(n=n)
        return self.sequences()[jax.random.categorical(key, jnp.ravel(self.log_probs()), shape=(n,))]

    def _check(self) -> None:
        expected = [(self.num_levels,) * (i + 1) for i in range(len(self.logits))]
        if [table.shape for table in self.logits] != expected:
            shapes = ", ".join(str(table.shape) for table in self.logits)
            raise ValueError(f"logits must have the shapes (K,), (K, K), (K, K, K), …; got {shapes}")
        for i, table in enumerate(self.logits):
            check_float(**{f"logits[{i}]": table})
            check_not_nan(**{f"logits[{i}]": table})
