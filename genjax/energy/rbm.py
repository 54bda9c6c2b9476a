"""The restricted Boltzmann machine: an energy whose hidden units sum out, and whose conditionals factorise."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import (
    check_count,
    check_float,
    check_full_precision,
    check_key,
    check_same_shape,
    check_values,
)
from genjax._matmul import matmul
from genjax.energy._energies import energies_of
from genjax.energy.annealing import Bracket, annealed_bracket
from genjax.energy.partition import LogPartition, log_partition_enumeration

__all__ = ["RestrictedBoltzmann", "base_rate_logits", "boltzmann_bracket"]

MAX_ENUMERATED_UNITS = 24


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class RestrictedBoltzmann:
    """The restricted Boltzmann machine over binary visible and hidden units.

    E(v, h) = −vᵀ W h − bᵀ v − aᵀ h; F(v) = −log Σ_h exp(−E(v, h)) = −bᵀ v − Σ_j softplus(a_j + W_·jᵀ v)

    Matrix products run in full precision on every device.

    Args:
        weights: W, `[n, m]` for n visible and m hidden units.
        visible_bias: b, `[n]`.
        hidden_bias: a, `[m]`.

    Source: Smolensky (1986); Hinton (2002), section 5.

    >>> rbm = RestrictedBoltzmann(weights=jnp.zeros((3, 2)), visible_bias=jnp.zeros(3), hidden_bias=jnp.zeros(2))
    >>> print(f"{rbm.log_partition().log_z:.4f} {5 * jnp.log(2.0):.4f}")
    3.4657 3.4657
    """

    weights: Array  # without shapes, because transformations put batches and placeholders here
    visible_bias: Array
    hidden_bias: Array

    def energy(self, v: Array, h: Array) -> Float[Array, ""]:
        """The energy E(v, h) of one joint state, in nats."""
        self._check_parameters()
        v, h = _binary("v", v, self.visible_bias), _binary("h", h, self.hidden_bias)
        coupling = matmul(matmul(v, self.weights), h)
        return -(coupling + matmul(self.visible_bias, v) + matmul(self.hidden_bias, h))

    def free_energy(self, v: Array) -> Float[Array, ""]:
        """The free energy F(v) of one visible state, in nats: p(v) = exp(−F(v)) / Z."""
        self._check_parameters()
        v = _binary("v", v, self.visible_bias)
        inputs = self.hidden_bias + matmul(v, self.weights)
        return -matmul(self.visible_bias, v) - jnp.sum(jax.nn.softplus(inputs))

    def gibbs(self, key: PRNGKeyArray, v: Array, *, num_steps: int = 1) -> Float[Array, " n"]:
        """Take block-Gibbs steps h ~ p(h|v), v ~ p(v|h), which leave p(v) invariant: CD-k takes k of them."""
        check_key(key)
        check_count(num_steps=num_steps)
        self._check_parameters()
        v = _binary("v", v, self.visible_bias)

        def step(v: Array, k: Array) -> tuple[Array, None]:
            key_h, key_v = jax.random.split(jax.random.fold_in(key, k))
            h = _bernoulli(key_h, self.hidden_bias + matmul(v, self.weights))
            return self._visible(key_v, h), None

        return jax.lax.scan(step, v, jnp.arange(int(num_steps)))[0]

    def tempered(
        self, beta: float | Float[Array, ""], base_bias: Float[Array, " n"]
    ) -> "RestrictedBoltzmann":
        """The machine on the way at inverse temperature β: W, a at β, visible bias (1 − β) b_0 + β b.

        At β = 0 the visible units are independent with logits b_0, and log Z_0 = m log 2 + Σ softplus(b_0).
        """
        check_same_shape(base_bias=base_bias, visible_bias=self.visible_bias)
        visible_bias = (1 - beta) * base_bias + beta * self.visible_bias
        return RestrictedBoltzmann(beta * self.weights, visible_bias, beta * self.hidden_bias)

    def log_partition(self) -> LogPartition:
        """The exact log Z in nats: a sum over the states of the smaller side, the other summed in closed form."""
        side = self._smaller_side()
        return log_partition_enumeration(side._indexed_free_energy, side._states())

    def log_prob(self, v: Array) -> Float[Array, ""]:
        """The exact log p(v) = −F(v) − log Z in nats; bind `log_partition()` once where many are wanted."""
        return -self.free_energy(v) - self.log_partition().log_z

    def sample_exact(self, key: PRNGKeyArray, n: int) -> Float[Array, "n_samples n"]:
        """Draw v independently n times, `[n, visible]`, exactly: the smaller side from its table, then the other."""
        check_key(key)
        check_count(n=n)
        side = self._smaller_side()
        num_units = side.visible_bias.shape[0]
        # The table as rows of high bits and columns of low bits: a row by its marginal, then a column in it.
        log_p = -energies_of(side._indexed_free_energy, side._states(), 4096)
        table = jnp.reshape(log_p, (-1, 2 ** (num_units // 2)))
        key_row, key_column, key_visible = jax.random.split(key, 3)
        row = jax.random.categorical(key_row, jax.nn.logsumexp(table, axis=1), shape=(n,))
        column = jax.random.categorical(key_column, table[row])
        units = jax.vmap(side._bits)(row * table.shape[1] + column)
        if side is self:
            return units
        return jax.vmap(self._visible)(jax.random.split(key_visible, n), units)

    def _check_parameters(self) -> None:
        check_float(weights=self.weights, visible_bias=self.visible_bias, hidden_bias=self.hidden_bias)

    def _visible(self, key: PRNGKeyArray, h: Array) -> Array:
        """Draw v ~ p(v|h)."""
        return _bernoulli(key, self.visible_bias + matmul(self.weights, h))

    def _smaller_side(self) -> "RestrictedBoltzmann":
        """The machine itself, or with its sides exchanged, so that the visible side is the smaller."""
        check_full_precision(
            weights=self.weights, visible_bias=self.visible_bias, hidden_bias=self.hidden_bias
        )
        n, m = self.visible_bias.shape[0], self.hidden_bias.shape[0]
        if self.weights.shape != (n, m):
            raise ValueError(
                f"weights must be [n, m] for biases [n] and [m]; got weights {self.weights.shape}, "
                f"visible_bias {self.visible_bias.shape}, hidden_bias {self.hidden_bias.shape}"
            )
        if min(n, m) > MAX_ENUMERATED_UNITS:
            raise ValueError(
                f"the smaller side has {min(n, m)} units and so 2^{min(n, m)} states; at most "
                f"{MAX_ENUMERATED_UNITS} units are enumerated. Bracket log Z by annealed_bracket, whose reverse run "
                f"then starts from long-run Gibbs samples and bounds log Z as far as these are right"
            )
        return self if n <= m else RestrictedBoltzmann(self.weights.T, self.hidden_bias, self.visible_bias)

    def _states(self) -> Array:
        return jnp.arange(2 ** self.visible_bias.shape[0])

    def _bits(self, index: Array) -> Array:
        """Visible state number `index`: its binary digits."""
        return ((index >> jnp.arange(self.visible_bias.shape[0])) & 1).astype(self.weights.dtype)

    def _indexed_free_energy(self, index: Array) -> Array:
        return self.free_energy(self._bits(index))


def base_rate_logits(v: Array, *, pseudo_count: float = 1.0) -> Float[Array, " n"]:
    """Logits of how often each visible unit is on: the base of annealing, and a first visible bias.

    b_0,i = log (Σ v_i + c) − log (Σ (1 − v_i) + c)

    Args:
        v: binary data, `[examples, n]`; this couples the examples.
        pseudo_count: c, positive, so that a unit that never changes keeps a finite logit.

    Returns:
        `[n]`, floating point (float32 for integer data).

    Raises:
        ValueError: `v` is not `[examples, n]` with at least one row, `pseudo_count` is not positive, or an entry
            is neither 0 nor 1 (NaN under `jit`).

    Source: Salakhutdinov and Murray (2008), section 4.1.

    >>> print(base_rate_logits(jnp.array([[1, 0], [1, 1]])))
    [1.0986123 0.       ]
    """
    if jnp.ndim(v) != 2 or jnp.shape(v)[0] == 0:
        raise ValueError(f"v must be [examples, n] with at least one row; got shape {jnp.shape(v)}")
    if not pseudo_count > 0:
        raise ValueError(f"pseudo_count must be positive; got {pseudo_count}")
    v = jnp.asarray(v)
    v = _binary("v", v, v if jnp.issubdtype(v.dtype, jnp.floating) else jnp.zeros(v.shape))
    # Half precision cannot count beyond a few hundred.
    wide = v.dtype if jnp.finfo(v.dtype).bits >= 32 else jnp.float32
    on, off = jnp.sum(v, axis=0, dtype=wide), jnp.sum(1 - v, axis=0, dtype=wide)
    return (jnp.log(on + pseudo_count) - jnp.log(off + pseudo_count)).astype(v.dtype)


def boltzmann_bracket(
    key: PRNGKeyArray,
    rbm: RestrictedBoltzmann,
    base_bias: Float[Array, " n"],
    betas: Float[Array, " k"],
    *,
    num_chains: int,
    num_sweeps: int = 1,
) -> Bracket:
    """Bracket log Z of a restricted Boltzmann machine between a forward and a reverse annealed run.

    p_β(v) ∝ Σ_h exp((1 − β) b_0ᵀ v − β E(v, h)), log Z_0 = m log 2 + Σ_i softplus(b_0,i)

    Both starts are exact: independent units for the forward run, and for the reverse one an enumeration of the
    smaller side. Where that side is too large, pass long-run Gibbs samples to `annealed_bracket` and say so.

    Args:
        key: one key.
        rbm: the machine, at most 24 units on its smaller side.
        base_bias: b_0, `[n]`, the logits of the independent base, e.g. `base_rate_logits` of the data.
        betas: the schedule from 0 to 1, `[k]`.
        num_chains: chains of each run.
        num_sweeps: Gibbs steps at each β; a sharply trained machine mixes slowly near β = 1 and gains by more.

    Returns:
        `Bracket(lower, upper)`, each end a `LogPartition(log_z, error)`, in nats.

    Raises:
        TypeError: the key is not typed, or a dtype is not floating point.
        ValueError: shapes differ, a count is below 1, or the smaller side is above 24 units.

    Source: Salakhutdinov and Murray (2008), section 4.1; the reverse run: Burda et al. (2015).

    >>> rbm = RestrictedBoltzmann(jnp.array([[1.0], [-2.0]]), jnp.zeros(2), jnp.ones(1))
    >>> ends = boltzmann_bracket(jax.random.key(0), rbm, jnp.zeros(2), jnp.linspace(0.0, 1.0, 100), num_chains=500)
    >>> print(f"{ends.lower.log_z:.2f} {rbm.log_partition().log_z:.2f} {ends.upper.log_z:.2f}")
    2.74 2.74 2.74
    """
    check_key(key)
    check_count(num_chains=num_chains, num_sweeps=num_sweeps)
    key_base, key_model, key_run = jax.random.split(key, 3)
    check_same_shape(base_bias=base_bias, visible_bias=rbm.visible_bias)
    x_base = jax.vmap(lambda k: _bernoulli(k, base_bias))(jax.random.split(key_base, num_chains))
    x_model = rbm.sample_exact(key_model, num_chains)
    log_z_hidden = rbm.hidden_bias.shape[0] * math.log(2)
    return annealed_bracket(
        key_run,
        lambda v, beta: rbm.tempered(beta, base_bias).free_energy(v),
        lambda key, v, beta: rbm.tempered(beta, base_bias).gibbs(key, v, num_steps=num_sweeps),
        x_base,
        x_model,
        betas,
        base_log_z=log_z_hidden + jnp.sum(jax.nn.softplus(base_bias)),
    )


def _bernoulli(key: PRNGKeyArray, logits: Float[Array, "*n"]) -> Float[Array, "*n"]:
    return jax.random.bernoulli(key, jax.nn.sigmoid(logits)).astype(logits.dtype)


def _binary(name: str, units: Array, like: Array) -> Float[Array, "*n"]:
    """The units as floats of `like`'s dtype and shape, NaN where they are neither 0 nor 1."""
    units = jnp.asarray(units)
    if units.shape != like.shape:
        raise ValueError(f"{name} must have one entry for each unit, {like.shape}; got {units.shape}")
    binary = (units == 0) | (units == 1)
    check_values(name, units, binary, "be 0 or 1")
    return jnp.where(binary, units.astype(like.dtype), jnp.nan)
