"""The VAE that can be solved: a linear decoder with Gaussian noise."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_float, check_full_precision, check_key, check_same_shape
from genjax._matmul import matmul
from genjax.densities import normal_log_prob, standard_normal_log_prob
from genjax.divergences import kl_standard_normal

__all__ = ["LinearGaussian"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """The linear-Gaussian latent-variable model (probabilistic PCA, factor analysis).

    z ~ N(0, I), x = W z + b + σ ε; evidence N(b, W Wᵀ + σ²), posterior precision P = I + Wᵀ σ⁻² W

    Matrix products run in full precision on every device.

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
        check_float(z=z)
        return normal_log_prob(x, matmul(self.weights, z) + self.bias, self.log_var)

    def posterior(self, x: Float[Array, " n"]) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
        """Mean P⁻¹ Wᵀ σ⁻² (x − b) and covariance P⁻¹ of p(z|x)."""
        check_same_shape(x=x, bias=self.bias)
        cholesky = jnp.linalg.cholesky(self._precision())
        projected = matmul(self.weights.T, (x - self.bias) * jnp.exp(-self.log_var))
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
        """The divergence KL(N(mean, exp log_var) ‖ p(z|x)), in nats: the gap between log p(x) and the ELBO.

        ½ [(m − μ)ᵀ P (m − μ) + Σ_j (r_j − 1 − log r_j) + Σ_j log P_jj − log det P], r_j = P_jj exp(log_var_j): three
        parts that are each at least 0, by their forms.
        """
        check_float(mean=mean, log_var=log_var)
        check_same_shape(mean=mean, log_var=log_var)
        precision = self._precision()
        diagonal, cholesky = jnp.diag(precision), jnp.linalg.cholesky(precision)
        standardized = matmul(cholesky.T, mean - self.posterior(x)[0])
        # P_jj is the square of row j of the factor; what stands left of its diagonal is the share det P lacks.
        share = jnp.sum(jnp.tril(cholesky, -1) ** 2, axis=1) / diagonal
        small = share < 0.5
        log_rest = jnp.where(
            small, jnp.log1p(-jnp.where(small, share, 0.0)), jnp.log(jnp.diag(cholesky) ** 2 / diagonal)
        )
        return kl_standard_normal(standardized, jnp.log(diagonal) + log_var) - jnp.sum(log_rest) / 2

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n_samples n"]:
        """Draw x n times, `[n, dim x]`."""
        check_key(key)
        check_count(n=n)
        key_z, key_x = jax.random.split(key)
        dtype = self.weights.dtype
        z = jax.random.normal(key_z, (n, self.weights.shape[1]), dtype)
        noise = jax.random.normal(key_x, (n, self.weights.shape[0]), dtype)
        return jax.vmap(lambda z, e: matmul(self.weights, z) + self.bias + jnp.exp(self.log_var / 2) * e)(
            z, noise
        )

    def _precision(self) -> Float[Array, "d d"]:
        check_full_precision(weights=self.weights, bias=self.bias, log_var=self.log_var)
        noise_precision = jnp.broadcast_to(jnp.exp(-self.log_var), self.bias.shape)
        gram = matmul(self.weights.T * noise_precision[None], self.weights)
        return jnp.eye(self.weights.shape[1], dtype=self.weights.dtype) + gram

    def _log_det_precision(self) -> Float[Array, ""]:
        cholesky = jnp.linalg.cholesky(self._precision())
        return 2 * jnp.sum(jnp.log(jnp.diag(cholesky)))
