"""Annealed importance sampling: the partition function where no grid can go, between two bounds."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from genjax._checks import check_count, check_full_precision, check_key, check_scalar, check_values
from genjax.energy._energies import EnergyFn, energy_of
from genjax.energy.partition import LogPartition

__all__ = ["AnnealedRun", "Bracket", "annealed_bracket", "annealed_importance_sampling", "geometric_path"]

PathEnergy = Callable[[Array, Array], Array]
Transition = Callable[[PRNGKeyArray, Array, Array], Array]


class AnnealedRun(NamedTuple):
    """What the chains of one annealed run leave behind.

    Args:
        log_weights: log w of each chain, `[n]`, in nats; E[w] is the ratio Z(last β) / Z(first β).
        x: where the chains ended, `[n, ...]`; weighted by w they follow the last distribution.

    >>> run = AnnealedRun(log_weights=jnp.log(jnp.array([1.0, 3.0])), x=jnp.zeros(2))
    >>> log_z, error = run.log_partition(base_log_z=0.0)
    >>> print(f"{log_z:.4f} {error:.4f} {run.effective_sample_size:.1f}")
    0.6931 0.5000 1.6
    """

    log_weights: Array
    x: Array

    @property
    def log_ratio(self) -> Array:
        """Estimate of log Z(last β) / Z(first β), in nats: a lower bound in expectation."""
        return jax.nn.logsumexp(self.log_weights) - math.log(self.log_weights.size)

    @property
    def standard_error(self) -> Array:
        """Standard error of `log_ratio`, by the delta method: std(w) / (mean(w) √n); see `Bracket.errors_hold`."""
        weights = jnp.exp(self.log_weights - jnp.max(self.log_weights))
        return jnp.std(weights, ddof=1) / (jnp.mean(weights) * math.sqrt(weights.size))

    def log_partition(self, *, base_log_z: float | Float[Array, ""]) -> LogPartition:
        """The estimate of log Z(last β) and its standard error, where log Z(first β) is `base_log_z`, in nats."""
        check_scalar("base_log_z", base_log_z)
        return LogPartition(base_log_z + self.log_ratio, self.standard_error)

    @property
    def effective_sample_size(self) -> Array:
        """The effective number of chains, (Σ w)² / Σ w²."""
        weights = jnp.exp(self.log_weights - jnp.max(self.log_weights))
        return jnp.sum(weights) ** 2 / jnp.sum(weights**2)


class Bracket(NamedTuple):
    """Stochastic bounds on log Z, in nats: E[lower.log_z] ≤ log Z ≤ E[upper.log_z].

    Args:
        lower: the estimate of the forward run and its standard error.
        upper: the estimate of the reverse run and its standard error.

    >>> ends = Bracket(LogPartition(jnp.array(1.0), jnp.array(0.1)), LogPartition(jnp.array(1.25), jnp.array(0.1)))
    >>> print(ends.gap, ends.errors_hold(500))
    0.25 False
    """

    lower: LogPartition
    upper: LogPartition

    @property
    def gap(self) -> Array:
        """Upper less lower: negative only by chance, zero in the limit of slow annealing."""
        return self.upper.log_z - self.lower.log_z

    def effective_share(self, num_chains: int) -> Array:
        """The effective number of chains over their number, (Σ w)² / (n Σ w²), of the worse of the two runs.

        It is 1 / (1 + (n − 1) e²) for n chains of standard error e.
        """
        check_count(num_chains=num_chains)
        error = jnp.maximum(self.lower.error, self.upper.error)
        return 1 / (1 + (int(num_chains) - 1) * error**2)

    def errors_hold(self, num_chains: int) -> Array:
        """Whether the ends' errors may be read as distances to log Z, of `num_chains` chains a run: a boolean.

        gap ≤ 3 √(e_lower² + e_upper²), and an effective share of at least one half

        Where chains do not mix, a few of them should carry the weight, and the run has not met those: its error comes
        out too small. The ends are bounds in expectation all the same. This is a diagnostic and proves nothing: runs
        may agree by chance, and both miss what neither has met.
        """
        agree = self.gap <= 3 * jnp.sqrt(self.lower.error**2 + self.upper.error**2)
        return agree & (self.effective_share(num_chains) >= 0.5)


def geometric_path(base_energy_fn: EnergyFn, energy_fn: EnergyFn) -> PathEnergy:
    """The path of geometric means from a base distribution to the model's.

    E_β(x) = (1 − β) E_0(x) + β E(x), that is, p_β ∝ p_0^(1−β) p^β

    Args:
        base_energy_fn: `base_energy_fn(x) -> scalar`, E_0, in nats.
        energy_fn: `energy_fn(x) -> scalar`, E, in nats.

    Returns:
        `path(x, beta) -> scalar`, in nats, as `annealed_importance_sampling` takes it.

    Raises:
        TypeError: (when called) an energy is not floating point.
        ValueError: (when called) an energy or `beta` is not a scalar.

    Source: Neal (2001), equation 3.

    >>> path = geometric_path(lambda x: x**2, lambda x: 3 * x**2)
    >>> print(path(jnp.array(1.0), 0.5))
    2.0
    """

    def share(weight: float | Array, energy: Array) -> Array:
        # At its end of the path the other energy has no say, not even where it is +∞ (0 · ∞).
        return jnp.where(weight == 0, 0.0, weight * energy)

    def path(x: Array, beta: float | Float[Array, ""]) -> Array:
        check_scalar("beta", beta)
        return share(1 - beta, energy_of(base_energy_fn, x)) + share(beta, energy_of(energy_fn, x))

    return path


def annealed_importance_sampling(
    key: PRNGKeyArray,
    energy_fn: PathEnergy,
    transition: Transition,
    x: Shaped[Array, "n *event"],
    betas: Float[Array, " k"],
) -> AnnealedRun:
    """The ratio of the partition functions at the two ends of a path of energies, by annealed chains.

    log w = Σ_k E(x_k; β_k) − E(x_k; β_{k+1}), x_{k+1} ~ T(· | x_k; β_{k+1}), x_0 ~ p(· ; β_0)

    E[w] = Z(β_K) / Z(β_0) exactly, whatever the transitions mix. By Jensen's inequality the log of the mean weight
    lies below the log ratio in expectation: run from the base to the model it bounds log Z from below, run from
    exact samples of the model to the base it bounds log Z from above (`annealed_bracket` does both). Chains that
    start from inexact samples of the model give an upper bound only as far as these are right.

    Args:
        key: one key; chain i draws from `fold_in(key, i)`.
        energy_fn: `energy_fn(x, beta) -> scalar`, in nats, one state: the path, e.g. a `geometric_path`. An energy
            of +∞ on the way gives the chain the weight zero.
        transition: `transition(key, x, beta) -> x`, one state: leaves exp(−E(· ; β)) invariant.
        x: exact samples of p(· ; β_0), one per chain, `[n, ...]`.
        betas: the schedule, `[k]`, in the order it is run through: from 0 to 1 forward, from 1 to 0 in reverse.

    Returns:
        `AnnealedRun(log_weights, x)`, whose `log_partition(base_log_z=...)` is the estimate of log Z.

    Raises:
        TypeError: the key is not typed, or `betas` is not float32 or float64.
        ValueError: fewer than two betas, no chain, an energy that is not a scalar or is NaN or −∞, or a start of
            energy +∞ (NaN under `jit`).

    Source: Neal (2001), equations 3 to 9; reverse runs: Grosse et al. (2015), section 3.

    >>> from genjax.energy import metropolis_langevin
    >>> path = geometric_path(lambda x: jnp.sum(x**2) / 2, lambda x: jnp.sum((x - 1)**2) / 8)
    >>> move = lambda key, x, beta: metropolis_langevin(key, lambda y: path(y, beta), x, step_size=1.0).x
    >>> key_x, key = jax.random.split(jax.random.key(0))
    >>> run = annealed_importance_sampling(
    ...     key, path, move, jax.random.normal(key_x, (1000, 1)), jnp.linspace(0.0, 1.0, 50))
    >>> log_z, error = run.log_partition(base_log_z=jnp.log(2 * jnp.pi) / 2)
    >>> print(f"{log_z:.2f} +- {error:.2f}, exactly {jnp.log(8 * jnp.pi) / 2:.2f}")
    1.61 +- 0.01, exactly 1.61
    """
    check_key(key)
    check_full_precision(betas=betas)
    if jnp.ndim(betas) != 1 or betas.shape[0] < 2:
        raise ValueError(f"betas must be a vector of at least two; got shape {jnp.shape(betas)}")
    if jnp.ndim(x) == 0 or x.shape[0] == 0:
        raise ValueError(f"x must be [n, ...] with at least one chain; got shape {jnp.shape(x)}")

    def energy(x: Array, beta: Array) -> Array:
        return energy_of(lambda x: energy_fn(x, beta), x)

    def chain(key: PRNGKeyArray, x: Array) -> tuple[Array, Array]:
        def anneal(state: tuple[Array, Array], step: tuple[Array, Array, Array]):
            x, log_w = state
            k, beta, next_beta = step
            change = energy(x, beta) - energy(x, next_beta)
            # A chain of weight zero keeps it: where the energy is +∞, the next difference is no number.
            log_w = jnp.where(log_w == -jnp.inf, log_w, log_w + change)
            return (transition(jax.random.fold_in(key, k), x, next_beta), log_w), None

        log_w = jnp.zeros((), jax.eval_shape(energy, x, betas[0]).dtype)
        steps = (jnp.arange(betas.shape[0] - 1), betas[:-1], betas[1:])
        (x, log_w), _ = jax.lax.scan(anneal, (x, log_w), steps)
        return log_w, x

    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(x.shape[0]))
    log_weights, x = jax.vmap(chain)(keys, x)
    valid = log_weights < jnp.inf
    check_values(
        "the log weight of a chain", log_weights, valid, "be a number: no energy NaN or -inf, no start +inf"
    )
    return AnnealedRun(jnp.where(valid, log_weights, jnp.nan), x)


def annealed_bracket(
    key: PRNGKeyArray,
    energy_fn: PathEnergy,
    transition: Transition,
    x_base: Shaped[Array, "n *event"],
    x_model: Shaped[Array, "n *event"],
    betas: Float[Array, " k"],
    *,
    base_log_z: float | Float[Array, ""],
) -> Bracket:
    """Bracket log Z between a forward and a reverse run of annealed importance sampling.

    lower = log Z_0 + log mean w(0 → 1), upper = log Z_0 − log mean w(1 → 0); E[lower] ≤ log Z ≤ E[upper]

    Args:
        key: one key, for both runs.
        energy_fn: `energy_fn(x, beta) -> scalar`, in nats: the path from the base at 0 to the model at 1.
        transition: `transition(key, x, beta) -> x`: leaves exp(−E(· ; β)) invariant.
        x_base: exact samples of the base, one per chain, `[n, ...]`.
        x_model: samples of the model, `[n, ...]`; `upper` is a bound as far as they are exact.
        betas: the schedule from 0 to 1, `[k]`; the reverse run takes it backwards.
        base_log_z: log Z_0, the base's own, in nats (zero for a normalised density).

    Returns:
        `Bracket(lower, upper)`, each end a `LogPartition(log_z, error)`, in nats.

    Raises:
        TypeError: as `annealed_importance_sampling`.
        ValueError: as `annealed_importance_sampling`, `base_log_z` is not a scalar, or the schedule does not run
            from 0 to 1 (NaN under `jit`).

    Source: Grosse et al. (2015), section 3; Burda et al. (2015), section 3.

    >>> path = geometric_path(lambda x: jnp.sum(x**2) / 2, lambda x: jnp.sum(x**2) / 8)
    >>> exact_move = lambda key, x, beta: jax.random.normal(key, x.shape) / jnp.sqrt(1 - 0.75 * beta)
    >>> x = jax.random.normal(jax.random.key(0), (500, 1))
    >>> ends = annealed_bracket(jax.random.key(1), path, exact_move, x, 2 * x, jnp.linspace(0.0, 1.0, 200),
    ...                         base_log_z=0.0)
    >>> print(f"{ends.lower.log_z:.1f} {jnp.log(2.0):.1f} {ends.upper.log_z:.1f}")
    0.7 0.7 0.7
    """
    check_key(key)
    check_scalar("base_log_z", base_log_z)
    check_full_precision(betas=betas)
    ends, whole = betas[jnp.array([0, -1])], jnp.array([0.0, 1.0], betas.dtype)
    check_values("betas", ends, ends == whole, "run from 0 to 1")
    base_log_z = jnp.where(jnp.all(ends == whole), base_log_z, jnp.nan)
    key_forward, key_reverse = jax.random.split(key)
    forward = annealed_importance_sampling(key_forward, energy_fn, transition, x_base, betas)
    reverse = annealed_importance_sampling(key_reverse, energy_fn, transition, x_model, betas[::-1])
    return Bracket(
        forward.log_partition(base_log_z=base_log_z),
        LogPartition(base_log_z - reverse.log_ratio, reverse.standard_error),
    )
