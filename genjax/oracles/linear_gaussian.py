"""The VAE that can be solved: a linear decoder with Gaussian noise."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_full_precision, check_key, check_same_shape
from genjax.densities import normal_log_prob, standard_normal_log_prob

__all__ = ["LinearGaussian"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """The linear-Gaussian latent-variable model (probabilistic PCA, factor analysis).

    z ~ N(0, I), x = W z + b + σ ε; evidence N(b, W Wᵀ + σ²), posterior precision P = I + Wᵀ σ⁻² W

    Args:
        weights: W, `[n, d]` from a latent of d to data of n dimensions.
        bias: b, `[n]`.
        log_var: log σ², `[n]` (factor analysis) or a scalar (probabilistic PCA).

    Source: Tipping and Bishop (1999), equations 3 to 6.

    >>> model = LinearGaussian(weights=jnp.ones((1, 1)), bias=jnp.zeros(1), log_var=jnp.zeros(()))
    >>> print(f"{model.log_evidence(jnp.ones(1)):.4f}")                  # log N(1; 0, 2)
    -1.5155
    """

    weights: Array  # without shapes, because transformations put batches and placeholders here
    bias: Array
    log_var: Array

    def log_likelihood(self, x: Float[Array, " n"], z: Float[Array, " d"]) -> Float[Array, ""]:
        """The log-likelihood log p(x|z) = log N(x; W z + b, σ²), in nats."""
        return normal_log_prob(x, self.weights @ z + self.bias, self.log_var)

    def posterior(self, x: Float[Array, " n"]) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
        """Mean P⁻¹ Wᵀ σ⁻² (x − b) and covariance P⁻¹ of p(z|x)."""
        check_same_shape(x=x, bias=self.bias)
        cholesky = jnp.linalg.cholesky(self._precision())
        projected = self.weights.T @ ((x - self.bias) * jnp.exp(-self.log_var))
        solve = jax.scipy.linalg.cho_solve
        return solve((cholesky, True), projected), solve(
            (cholesky, True), jnp.eye(cholesky.shape[0], dtype=cholesky.dtype)
        )

    def log_evidence(self, x: Float[Array, " n"]) -> Float[Array, ""]:
        """The exact log p(x) in nats: log p(x|m) + log p(m) − log p(m|x) at the posterior mean m."""
        mean, _ = self.posterior(x)
        log_p_mean_given_x = 0.5 * (self._log_det_precision() - mean.size * math.log(2 * math.pi))
        return self.log_likelihood(x, mean) + standard_normal_log_prob(mean) - log_p_mean_given_x

    def optimal_encode(self, x: Float[Array, " n"]) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
        """The diagonal Gaussian nearest the posterior in KL(q ‖ p): its mean, variances 1 / diag P.

        It is the posterior itself where the columns of W are orthogonal under σ⁻², so that P is diagonal.
        """
        mean, _ = self.posterior(x)
        return mean, -jnp.log(jnp.diag(self._precision()))

    def kl_to_posterior(
        self, mean: Float[Array, " d"], log_var: Float[Array, " d"], x: Float[Array, " n"]
    ) -> Float[Array, ""]:
        """The divergence KL(N(mean, exp log_var) ‖ p(z|x)), in nats: the gap between log p(x) and the ELBO."""
        check_same_shape(mean=mean, log_var=log_var)
        precision = self._precision()
        difference = mean - self.posterior(x)[0]
        trace = jnp.sum(jnp.diag(precision) * jnp.exp(log_var))
        quadratic = difference @ precision @ difference
        log_det_ratio = self._log_det_precision() + jnp.sum(log_var)
        return 0.5 * (trace + quadratic - mean.size - log_det_ratio)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n_samples n"]:
        """Draw x n times, `[n, dim x]`."""
        check_key(key)
        check_count(n=n)
        key_z, key_x = jax.random.split(key)
        dtype = self.weights.dtype
        z = jax.random.normal(key_z, (n, self.weights.shape[1]), dtype)
        noise = jax.random.normal(key_x, (n, self.weights.shape[0]), dtype)
        return jax.vmap(lambda z, e: self.weights @ z + self.bias + jnp.exp(self.log_var / 2) * e)(z, noise)

    def _precision(self) -> Float[Array, "d d"]:
        check_full_precision(weights=self.weights, bias=self.bias, log_var=self.log_var)
        noise_precision = jnp.broadcast_to(jnp.exp(-self.log_var), self.bias.shape)
        gram = (self.weights.T * noise_precision[None]) @ self.weights
        return jnp.eye(self.weights.shape[1], dtype=self.weights.dtype) + gram

    def _log_det_precision(self) -> Float[Array, ""]:
        cholesky = jnp.linalg.cholesky(self._precision())
        return 2 * jnp.sum(jnp.log(jnp.diag(cholesky)))
