"""The density whose score is known: a mixture of Gaussians with full covariances."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_full_precision, check_key, check_not_nan, check_values
from genjax._matmul import matmul
from genjax.diffusion import Prediction
from genjax.diffusion.prediction import line
from genjax.diffusion.process import level

__all__ = ["GaussianMixture"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A mixture of K Gaussians in d dimensions.

    p(x) = Σ_k π_k N(x; μ_k, Σ_k); ∇ log p(x) = Σ_k p(k|x) Σ_k⁻¹ (μ_k − x)

    Matrix products run in full precision on every device.

    Args:
        weights: π, `[K]`, summing to 1; a component of weight 0 is never drawn, and has a gradient all the same.
        means: μ, `[K, d]`.
        covs: Σ, `[K, d, d]`, symmetric and positive definite.

    Source: Bishop (2006), equation 2.188.

    >>> mixture = GaussianMixture(jnp.array([0.5, 0.5]), jnp.array([[-1.0], [1.0]]), jnp.ones((2, 1, 1)))
    >>> print(f"{mixture.log_prob(jnp.zeros(1)):.4f} {mixture.score(jnp.array([1.0]))[0]:.4f}")
    -1.4189 -0.2384
    """

    weights: Array  # without shapes, because transformations put batches and placeholders here
    means: Array
    covs: Array

    def log_prob(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """The log-density of x, in nats."""
        return _log_mean(self._checked_weights(), self._log_normals(x)[0])

    def score(self, x: Float[Array, " d"]) -> Float[Array, " d"]:
        """The score ∇ log p(x), in closed form, per unit of x."""
        weights = self._checked_weights()
        log_normals, pulls = self._log_normals(x)
        return matmul(weights * _density_ratios(weights, log_normals), pulls)

    def diffused(self, schedule: Any, t: Any) -> "GaussianMixture":
        """The law of x_t = alpha x0 + sigma ε: a mixture again, of covariances alpha² Σ_k + sigma² I."""
        at = level(schedule, t, self.means.dtype)
        noise = at.sigma**2 * jnp.eye(self.means.shape[1], dtype=self.covs.dtype)
        return GaussianMixture(self.weights, at.alpha * self.means, at.alpha**2 * self.covs + noise[None])

    def predict(self, schedule: Any, prediction: Prediction) -> Callable[[Array, Any], Array]:
        """The best prediction of any kind, `predict(x_t, t)`: its mean given x_t, in closed form."""

        def best(x_t: Array, t: Any) -> Array:
            diffused = self.diffused(schedule, t)
            if prediction is Prediction.SCORE:
                return diffused.score(x_t)
            weights = diffused._checked_weights()
            log_normals, pulls = diffused._log_normals(x_t)
            shares = weights * _density_ratios(weights, log_normals)  # p(k|x_t)
            at = level(schedule, t, x_t.dtype)
            data = jax.vmap(lambda mean, cov, pull: mean - at.alpha * matmul(cov, pull))(
                self.means, self.covs, pulls
            )
            a, b = line(schedule, t, prediction, x_t.dtype)
            return a * matmul(shares, data) - b * at.sigma * matmul(shares, pulls)

        return best

    def noise_fn(self, schedule: Any) -> Callable[[Array, Any], Array]:
        """The noise function that minimises L_simple, ε(x_t, t) = −sigma ∇ log p_t(x_t)."""
        return self.predict(schedule, Prediction.NOISE)

    def optimal_l_simple(self, schedule: Any, t: Any, *, num_points: int = 300) -> Float[Array, ""]:
        """The least of E ‖ε − ε_θ(x_t, t)‖² at a time, d − sigma² E ‖∇ log p_t‖², on a grid of 1 or 2 dimensions."""
        d = self.means.shape[1]
        if d > 2:
            raise ValueError(f"the grid is of at most 2 dimensions; got {d}")
        check_count(num_points=num_points)
        diffused = self.diffused(schedule, t)
        spread = jnp.sqrt(jnp.max(jnp.diagonal(diffused.covs, axis1=1, axis2=2), axis=0))
        lower, upper = (
            jnp.min(diffused.means, axis=0) - 9 * spread,
            jnp.max(diffused.means, axis=0) + 9 * spread,
        )
        middles = (jnp.arange(int(num_points), dtype=spread.dtype) + 0.5) / int(num_points)
        axes = [low + (high - low) * middles for low, high in zip(lower, upper, strict=True)]
        grid = jnp.stack(jnp.meshgrid(*axes), axis=-1).reshape(-1, d)

        def weighed(x: Array) -> Array:
            return jnp.exp(diffused.log_prob(x)) * jnp.sum(diffused.score(x) ** 2)

        cell = jnp.prod((upper - lower) / int(num_points))
        fisher = jnp.sum(jax.lax.map(weighed, grid, batch_size=4096)) * cell
        return d - jnp.asarray(schedule.sigma(t), spread.dtype) ** 2 * fisher

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n d"]:
        """Draw x n times, `[n, d]`."""
        check_key(key)
        check_count(n=n)
        log_weights, cholesky = jnp.log(self._checked_weights()), self._cholesky()
        key_component, key_noise = jax.random.split(key)
        component = jax.random.categorical(key_component, log_weights, shape=(n,))
        noise = jax.random.normal(key_noise, (n, self.means.shape[1]), self.means.dtype)
        return jax.vmap(lambda k, e: self.means[k] + matmul(cholesky[k], e))(component, noise)

    def _log_normals(self, x: Array) -> tuple[Float[Array, " k"], Float[Array, "k d"]]:
        """The log-density log N(x; μ_k, Σ_k) and the pull Σ_k⁻¹ (μ_k − x) of every component."""
        check_full_precision(x=x)
        if jnp.shape(x) != self.means.shape[1:]:
            raise ValueError(f"x must have the shape of a mean, {self.means.shape[1:]}; got {jnp.shape(x)}")
        check_not_nan(x=x)

        def component(mean: Array, cholesky: Array) -> tuple[Array, Array]:
            difference = mean - x
            pull = jax.scipy.linalg.cho_solve((cholesky, True), difference)
            log_det = 2 * jnp.sum(jnp.log(jnp.diag(cholesky)))
            return -0.5 * (matmul(difference, pull) + log_det + x.size * math.log(2 * math.pi)), pull

        return jax.vmap(component)(self.means, self._cholesky())

    def _checked_weights(self) -> Float[Array, " k"]:
        k, d = self.means.shape
        if self.weights.shape != (k,) or self.covs.shape != (k, d, d):
            raise ValueError(
                f"a mixture has weights [k], means [k, d] and covs [k, d, d]; got weights "
                f"{self.weights.shape}, means {self.means.shape}, covs {self.covs.shape}"
            )
        check_full_precision(weights=self.weights, means=self.means, covs=self.covs)
        positive = self.weights >= 0
        check_values("weights", self.weights, positive, "not be negative")
        total = jnp.sum(self.weights)
        one = jnp.abs(total - 1) <= float(jnp.finfo(total.dtype).eps) ** 0.5
        check_values("the sum of weights", total, one, "be 1")
        return jnp.where(positive & one, self.weights, jnp.nan)

    def _cholesky(self) -> Float[Array, "k d d"]:
        cholesky = jnp.linalg.cholesky(self.covs)
        check_values("covs", cholesky, ~jnp.isnan(cholesky), "be positive definite")
        return cholesky


@jax.custom_jvp
def _log_mean(weights: Array, log_probs: Array) -> Array:
    """The log of a weighted mean of densities, log Σ_k π_k p_k; its derivative in π_k is p_k/p, at π_k = 0 too."""
    return jax.nn.logsumexp(jnp.log(weights) + log_probs)


@_log_mean.defjvp
def _log_mean_jvp(primals, tangents):
    (weights, log_probs), (d_weights, d_log_probs) = primals, tangents
    ratios = _density_ratios(weights, log_probs)
    return _log_mean(weights, log_probs), jnp.sum(ratios * d_weights) + jnp.sum(
        weights * ratios * d_log_probs
    )


def _density_ratios(weights: Array, log_probs: Array) -> Array:
    """The ratios p_k/p, at most the largest number: times a weight of zero they are zero.

    Divided by their own mean, because the rounding of log p in the far tails is that of a large number.
    """
    largest = math.log(float(jnp.finfo(log_probs.dtype).max)) - 1
    log_mean = jax.lax.stop_gradient(_log_mean(weights, log_probs))
    ratios = jnp.exp(jnp.minimum(log_probs - log_mean, largest))
    return ratios / jnp.sum(weights * ratios)
