"""Divergences between distributions of one event, in nats and in closed form."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_full_precision, check_not_nan, check_same_shape, check_values
from genjax._matmul import matmul
from genjax._procrustes import align

__all__ = [
    "gaussian_frechet_distance",
    "js_categorical",
    "kl_categorical",
    "kl_normal",
    "kl_standard_normal",
]


def kl_standard_normal(mean: Float[Array, "*event"], log_var: Float[Array, "*event"]) -> Float[Array, ""]:
    """KL divergence from a diagonal Gaussian to N(0, I).

    KL(N(μ, σ²) ‖ N(0, I)) = ½ Σ_i [μ_i² + σ_i² − 1 − log σ_i²]

    Args:
        mean: μ, of any shape.
        log_var: log σ², of the shape of `mean`.

    Returns:
        Nats, summed over the event.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Kingma and Welling (2014), appendix B.

    >>> print(f"{kl_standard_normal(jnp.array([0.5, -0.2]), jnp.array([0.0, -1.0])):.6f}")
    0.328940
    """
    check_float(mean=mean, log_var=log_var)
    check_same_shape(mean=mean, log_var=log_var)
    check_not_nan(mean=mean, log_var=log_var)
    return 0.5 * jnp.sum(mean**2 + _exp_beyond_its_tangent(log_var))


def kl_normal(
    mean_q: Float[Array, "*event"],
    log_var_q: Float[Array, "*event"],
    mean_p: Float[Array, "*event"],
    log_var_p: Float[Array, "*event"],
) -> Float[Array, ""]:
    """KL divergence between two diagonal Gaussians.

    KL(q ‖ p) = ½ Σ_i [(μ_q − μ_p)_i² / σ_p,i² + r_i − 1 − log r_i], r = σ_q² / σ_p²

    Args:
        mean_q: μ_q, of any shape.
        log_var_q: log σ_q², of the same shape.
        mean_p: μ_p, of the same shape.
        log_var_p: log σ_p², of the same shape.

    Returns:
        Nats, summed over the event.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Kingma and Welling (2014), appendix B, for a general p.

    >>> zero, one = jnp.zeros(1), jnp.ones(1)
    >>> print(kl_normal(one, zero, zero, zero))
    0.5
    """
    arrays = dict(mean_q=mean_q, log_var_q=log_var_q, mean_p=mean_p, log_var_p=log_var_p)
    check_float(**arrays)
    check_same_shape(**arrays)
    check_not_nan(**arrays)
    standardized = (mean_q - mean_p) * jnp.exp(-log_var_p / 2)
    log_ratio = log_var_q - log_var_p
    return 0.5 * jnp.sum(standardized**2 + _exp_beyond_its_tangent(log_ratio))


def kl_categorical(p: Float[Array, "*k"], q: Float[Array, "*k"]) -> Float[Array, ""]:
    """KL divergence between two discrete distributions.

    KL(p ‖ q) = Σ_i p_i log(p_i / q_i); a term with p_i = 0 contributes zero value and zero gradient

    The value is summed as Σ_i [p_i log(p_i / q_i) − p_i + q_i], whose terms are not negative and cancel nothing:
    the same number where both sum to 1, and at least 0 where rounding keeps them from it. The gradient is that of
    the equation.

    Args:
        p: probabilities, of any shape, summing to 1.
        q: probabilities, of the shape of `p`, summing to 1.

    Returns:
        Nats; +∞ where q_i = 0 < p_i.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, a NaN, a negative entry, or a sum other than 1 (NaN under `jit`).

    Source: Cover and Thomas (2006), equation 2.26.

    >>> print(f"{kl_categorical(jnp.array([1.0, 0.0]), jnp.array([0.5, 0.5])):.4f}")
    0.6931
    """
    valid = _check_probabilities(p, q)
    return jnp.where(valid, _kl(p, q), jnp.nan)


def js_categorical(p: Float[Array, "*k"], q: Float[Array, "*k"]) -> Float[Array, ""]:
    """Jensen–Shannon divergence between two discrete distributions.

    JS(p, q) = ½ KL(p ‖ m) + ½ KL(q ‖ m), m = (p + q)/2; it lies in [0, log 2], summed as `kl_categorical` is

    Args:
        p: probabilities, of any shape, summing to 1.
        q: probabilities, of the shape of `p`, summing to 1.

    Returns:
        Nats.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, a NaN, a negative entry, or a sum other than 1 (NaN under `jit`).

    Source: Lin (1991); Goodfellow et al. (2014), equation 6.

    >>> print(f"{js_categorical(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])):.4f}")
    0.6931
    """
    valid = _check_probabilities(p, q)
    return jnp.where(valid, _js(p, q), jnp.nan)


def gaussian_frechet_distance(
    mean_a: Float[Array, " d"],
    cov_a: Float[Array, "d d"],
    mean_b: Float[Array, " d"],
    cov_b: Float[Array, "d d"],
) -> Float[Array, ""]:
    """Squared Fréchet (2-Wasserstein) distance between two Gaussians, as FID is.

    d² = ‖μ_a − μ_b‖² + tr(A + B − 2 (A^½ B A^½)^½)

    It is computed as ‖μ_a − μ_b‖² + min_Q ‖L − M Q‖²_F over orthogonal Q, with A = L Lᵀ and B = M Mᵀ: a sum of
    squares, never negative. The gradient is that of the optimal transport map and needs positive-definite matrices;
    at a singular one it is infinite, and NaN here (`genjax.metrics.frechet_distance` has one in the samples). Matrix
    products run in full precision on every device.

    Args:
        mean_a: μ_a, of shape `[d]`.
        cov_a: A, symmetric positive semi-definite, of shape `[d, d]`.
        mean_b: μ_b, of shape `[d]`.
        cov_b: B, symmetric positive semi-definite, of shape `[d, d]`.

    Returns:
        The squared distance, in squared units of the data.

    Raises:
        TypeError: an argument is not floating point, or narrower than float32.
        ValueError: shapes differ, a NaN, or a covariance with an eigenvalue that is negative by more than round-off
            (NaN under `jit`).

    Source: Dowson and Landau (1982); Heusel et al. (2017), equation 6.

    >>> zero, one = jnp.zeros(2), jnp.eye(2)
    >>> print(f"{gaussian_frechet_distance(zero, one, jnp.array([0.5, -0.25]), jnp.diag(jnp.array([1.2, 0.8]))):.6f}")
    0.332755
    """
    arrays = dict(mean_a=mean_a, cov_a=cov_a, mean_b=mean_b, cov_b=cov_b)
    check_full_precision(**arrays)
    check_same_shape(mean_a=mean_a, mean_b=mean_b)
    check_same_shape(cov_a=cov_a, cov_b=cov_b)
    if jnp.ndim(mean_a) != 1 or jnp.shape(cov_a) != jnp.shape(mean_a) * 2:
        raise ValueError(
            f"means must be [d] and covariances [d, d]: mean_a {jnp.shape(mean_a)}, cov_a {jnp.shape(cov_a)}"
        )
    check_not_nan(**arrays)
    distance, lowest = _covariance_distance(cov_a, cov_b)
    # The round-off of an eigenvalue of a d × d matrix, in units of the largest one.
    valid = lowest >= -10 * mean_a.size * float(jnp.finfo(lowest.dtype).eps)
    check_values(
        "the least eigenvalues of cov_a and cov_b over their largest", lowest, valid, "not be negative"
    )
    return jnp.where(jnp.all(valid), jnp.sum((mean_a - mean_b) ** 2) + distance, jnp.nan)


@jax.custom_jvp
def _covariance_distance(a: Array, b: Array) -> tuple[Array, Array]:
    """What the covariances add to the squared distance, and the least eigenvalue of each over its largest."""
    (left, _, lowest_a), (right, _, lowest_b) = _factor(a), _factor(b)
    return align(left, right).distance, jnp.stack([lowest_a, lowest_b])


@_covariance_distance.defjvp
def _covariance_distance_jvp(primals, tangents):
    # The differential is tr((I − T) dA) + tr((I − T⁻¹) dB), where T = M Q L⁻¹ carries N(0, A) to N(0, B).
    # Differentiating through eigenvectors would divide by zero at repeated eigenvalues.
    (a, b), (da, db) = primals, tangents
    (left, left_inverse, lowest_a), (right, right_inverse, lowest_b) = _factor(a), _factor(b)
    distance, rest_left, rest_right = align(left, right)
    tangent = jnp.sum(matmul(rest_left, left_inverse) * da) + jnp.sum(matmul(rest_right, right_inverse) * db)
    lowest = jnp.stack([lowest_a, lowest_b])
    return (distance, lowest), (tangent, jnp.zeros_like(lowest))


def _factor(covariance: Array) -> tuple[Array, Array, Array]:
    """L with L Lᵀ the covariance, L⁻¹, and the least eigenvalue over the largest (0 of the zero matrix)."""
    values, vectors = jnp.linalg.eigh(covariance)
    roots = jnp.sqrt(jnp.maximum(values, 0.0))
    largest = jnp.max(jnp.abs(values))
    return (
        vectors * roots[None],
        (vectors / roots[None]).T,
        jnp.where(largest > 0, values[0] / jnp.where(largest > 0, largest, 1.0), 0.0),
    )


@jax.custom_jvp
def _exp_beyond_its_tangent(v: Array) -> Array:
    """The convex function exp(v) − 1 − v ≥ 0, to the last digits at every v; its derivative is expm1(v)."""
    small = jnp.abs(v) < 0.5
    near = jnp.where(small, v, 0.0)
    series = jnp.ones_like(v)
    for n in range(17, 2, -1):  # v²/2 (1 + v/3 (1 + v/4 (1 + …))), in full in float64
        series = 1 + near / n * series
    return jnp.where(small, near**2 / 2 * series, jnp.expm1(v) - v)


@_exp_beyond_its_tangent.defjvp
def _exp_beyond_its_tangent_jvp(primals, tangents):
    (v,), (dv,) = primals, tangents
    return _exp_beyond_its_tangent(v), jnp.expm1(v) * dv


@jax.custom_jvp
def _kl(p: Array, q: Array) -> Array:
    """The sum Σ p log(p/q) − p + q, term by term at least 0."""
    close = _are_close(p, q)
    # p (exp(v) − 1 − v) with v = log(q/p), which cancels nothing where p and q are close.
    near = jnp.where(close, p, 0.0) * _exp_beyond_its_tangent(-_log_ratio(p, jnp.where(close, q, p)))
    far = jnp.where(p > 0, p * (_log_ratio(p, q) - 1), 0.0) + q
    return jnp.sum(jnp.where(close, near, far))


@_kl.defjvp
def _kl_jvp(primals, tangents):
    # Of Σ p log(p/q) itself: what −p + q would add is nothing along distributions, and not the user's equation.
    (p, q), (dp, dq) = primals, tangents
    present = p > 0
    by_p = jnp.where(present, _log_ratio(p, q) + 1, 0.0)
    by_q = jnp.where(present, -p / jnp.where(present, q, 1.0), 0.0)
    return _kl(p, q), jnp.sum(by_p * dp) + jnp.sum(by_q * dq)


@jax.custom_jvp
def _js(p: Array, q: Array) -> Array:
    middle = (p + q) / 2
    return 0.5 * (_kl(p, middle) + _kl(q, middle))


@_js.defjvp
def _js_jvp(primals, tangents):
    # What the two divergences say of the middle is a constant that cancels their own: only the logs are left.
    (p, q), (dp, dq) = primals, tangents
    middle = (p + q) / 2
    by_p, by_q = (jnp.where(a > 0, _log_ratio(a, middle), -jnp.sign(middle)) for a in (p, q))
    return _js(p, q), 0.5 * (jnp.sum(by_p * dp) + jnp.sum(by_q * dq))


def _log_ratio(p: Array, q: Array) -> Array:
    """The log-ratio log(p/q) where p > 0, from the difference where p and q are close; 0 elsewhere."""
    present, close = p > 0, _are_close(p, q)
    safe_p, safe_q = jnp.where(present, p, 1.0), jnp.where(present, q, 1.0)
    near = 2 * jnp.arctanh(jnp.where(close, (p - q) / (safe_p + safe_q), 0.0))
    return jnp.where(close, near, jnp.log(safe_p) - jnp.log(safe_q))


def _are_close(p: Array, q: Array) -> Array:
    return (p > 0) & (jnp.abs(q - p) < p / 2)


def _check_probabilities(p: Array, q: Array) -> Array:
    check_float(p=p, q=q)
    check_same_shape(p=p, q=q)
    check_not_nan(p=p, q=q)
    valid = jnp.array(True)
    for name, array in (("p", p), ("q", q)):
        check_values(name, array, array >= 0, "not be negative")
        # The sum of rounded probabilities: far above round-off, far below a forgotten softmax.
        tolerance = float(jnp.finfo(jnp.result_type(array)).eps) ** 0.5
        total = jnp.sum(array)
        sums_to_one = jnp.abs(total - 1) <= tolerance
        check_values(f"the sum of {name}", total, sums_to_one, "be 1")
        valid &= jnp.all(array >= 0) & sums_to_one
    return valid
