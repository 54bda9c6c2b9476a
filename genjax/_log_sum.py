"""The log of a sum of exponentials that grows chunk by chunk."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

__all__ = ["LogSum", "log_sum_exp"]


class LogSum(NamedTuple):
    """A sum Σ exp(a) as exp(largest) · total, in float32 at least.

    A running log Σ exp stops growing once one more chunk is below its round-off; a total beside a maximum does not.
    The maximum carries no gradient: it cancels.

    Args:
        largest: max a, −∞ of no term or of terms that are all −∞.
        total: Σ exp(a − largest), 0 of such terms.

    >>> terms = LogSum.empty(jnp.float32)
    >>> for chunk in (jnp.full(2, -jnp.inf), jnp.log(jnp.array([1.0, 2.0])), jnp.log(jnp.array([3.0]))):
    ...     terms = terms.add(chunk)
    >>> print(f"{jnp.exp(terms.log()):.4f}")
    6.0000
    """

    largest: Float[Array, ""]
    total: Float[Array, ""]

    @classmethod
    def empty(cls, dtype: DTypeLike) -> "LogSum":
        """The sum of no term."""
        dtype = dtype if jnp.finfo(dtype).bits >= 32 else jnp.float32
        return cls(jnp.array(-jnp.inf, dtype), jnp.zeros((), dtype))

    def add(self, log_terms: Float[Array, " m"]) -> "LogSum":
        """The sum with more terms, given by their logs."""
        log_terms = log_terms.astype(self.total.dtype)
        largest = jax.lax.stop_gradient(jnp.maximum(self.largest, jnp.max(log_terms)))
        shift = jnp.where(jnp.isfinite(largest), largest, 0)  # −∞ − (−∞) would be NaN
        total = self.total * jnp.exp(self.largest - shift) + jnp.sum(jnp.exp(log_terms - shift))
        return LogSum(largest, total)

    def log(self) -> Float[Array, ""]:
        """The log of the sum; −∞, with a gradient of zero, where every term is zero."""
        shift = jnp.where(jnp.isfinite(self.largest), self.largest, 0)
        empty = self.total == 0
        return jnp.where(empty, -jnp.inf, shift + jnp.log(jnp.where(empty, 1, self.total)))


def log_sum_exp(log_terms: Float[Array, " m"]) -> Float[Array, ""]:
    """The log Σ exp, row by row of a square, because one float32 sum over a million terms loses digits."""
    side = max(1, round(log_terms.size**0.5))
    rows = jnp.pad(log_terms, (0, -log_terms.size % side), constant_values=-jnp.inf).reshape(-1, side)
    terms, _ = jax.lax.scan(lambda terms, row: (terms.add(row), None), LogSum.empty(rows.dtype), rows)
    return terms.log().astype(log_terms.dtype)
