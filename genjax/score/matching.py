"""Objectives whose minimiser is the score of the data, of data with noise, or of data along random directions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_float, check_key, check_not_nan, check_same_shape, check_scalar, check_values
from genjax.transport import divergence

__all__ = [
    "ScoreFn",
    "denoising_score_matching",
    "implicit_score_matching",
    "multi_level_score_matching",
    "sliced_score_matching",
    "sliced_score_matching_vr",
]

ScoreFn = Callable[[Array], Array]


def denoising_score_matching(
    score_fn: ScoreFn,
    x: Float[Array, "*event"],
    noise: Float[Array, "*event"],
    *,
    sigma: int | float | Float[Array, ""],
) -> Float[Array, ""]:
    """The error of a score against that of one noised example; in expectation, of the noised density's score.

    ½ ‖s(x + σ ε) + ε/σ‖², unweighted; its mean is that of implicit score matching on the noised density up to a
    constant

    Weight by σ² where several levels are learned at once, as each then counts alike.

    Args:
        score_fn: `score_fn(x) -> s`, of the shape of x, per unit of x.
        x: one example, of any shape.
        noise: ε, a standard normal draw, of the shape of `x`.
        sigma: σ, the noise level, positive, a scalar.

    Returns:
        Half the squared error, summed over the event, per squared unit of x.

    Raises:
        TypeError: an array is not floating point.
        ValueError: shapes differ, a NaN, or σ is no positive scalar (NaN under `jit`).

    Source: Vincent (2011), equation 11.

    >>> exact = lambda y: -y / 1.25  # of N(0, 1) with noise of level ½
    >>> print(f"{denoising_score_matching(exact, jnp.array([0.0]), jnp.array([1.0]), sigma=0.5):.2f}")
    1.28
    """
    check_float(x=x, noise=noise)
    check_same_shape(x=x, noise=noise)
    check_not_nan(x=x, noise=noise)
    check_scalar("sigma", sigma)
    sigma = jnp.asarray(sigma, x.dtype)
    check_values("sigma", sigma, sigma > 0, "be positive")
    sigma = jnp.where(sigma > 0, sigma, jnp.nan)
    return 0.5 * jnp.sum((_score(score_fn, x + sigma * noise) + noise / sigma) ** 2)


def multi_level_score_matching(
    key: PRNGKeyArray,
    score_fn: Callable[[Array, Array], Array],
    x: Float[Array, "*event"],
    sigmas: Float[Array, " k"],
) -> Float[Array, ""]:
    """Denoising score matching at one of many noise levels, each of which counts alike.

    σ_i² · ½ ‖s(x + σ_i ε, σ_i) + ε/σ_i‖², i uniform on 1..K

    Args:
        key: of the level and the noise.
        score_fn: `score_fn(x, sigma) -> s`, the score of the density with noise of level σ, of the shape of x.
        x: one example, of any shape.
        sigmas: σ, positive, `[K]`, in any order.

    Returns:
        One term of the expectation, summed over the event.

    Raises:
        TypeError: the key is not typed, or an array is not floating point.
        ValueError: shapes differ, a NaN, or `sigmas` is not `[K]` and positive (NaN under `jit`).

    Source: Song and Ermon (2019), equations 5 and 6 with λ(σ) = σ².

    >>> exact = lambda y, sigma: -y / (1 + sigma**2)  # of N(0, 1)
    >>> keys, x = jax.random.split(jax.random.key(0), 10_000), jax.random.normal(jax.random.key(1), (10_000, 1))
    >>> loss = jax.vmap(lambda k, x: multi_level_score_matching(k, exact, x, jnp.array([3.0, 0.1])))(keys, x)
    >>> print(f"{loss.mean():.2f}")  # the mean of ½/(1 + σ²) over the levels
    0.27
    """
    check_key(key)
    check_float(x=x, sigmas=sigmas)
    if jnp.ndim(sigmas) != 1 or len(sigmas) == 0:
        raise ValueError(f"sigmas must be [K] with at least one level; got shape {jnp.shape(sigmas)}")
    check_values("sigmas", sigmas, sigmas > 0, "be positive")
    key_level, key_noise = jax.random.split(key)
    sigma = sigmas.astype(x.dtype)[jax.random.randint(key_level, (), 0, len(sigmas), jnp.int32)]
    noise = jax.random.normal(key_noise, x.shape, x.dtype)
    return sigma**2 * denoising_score_matching(lambda y: score_fn(y, sigma), x, noise, sigma=sigma)


def implicit_score_matching(score_fn: ScoreFn, x: Float[Array, "*event"]) -> Float[Array, ""]:
    """The error of a score against that of the data, up to a constant, without knowing the latter.

    ∇·s(x) + ½ ‖s(x)‖², at the cost of one directional derivative per dimension

    Args:
        score_fn: `score_fn(x) -> s`, of the shape of x, per unit of x.
        x: one example, of any shape.

    Returns:
        A scalar of either sign, per squared unit of x: its mean is least at the score of the data.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: the score has another shape, or a NaN.

    Source: Hyvärinen (2005), equation 4.

    >>> print(implicit_score_matching(lambda x: -x, jnp.array([1.0, 2.0])))
    0.5
    """
    check_float(x=x)
    check_not_nan(x=x)
    trace = divergence(lambda x, t: _score(score_fn, x), x, jnp.zeros((), x.dtype))
    return trace + 0.5 * jnp.sum(_score(score_fn, x) ** 2)


def sliced_score_matching(
    score_fn: ScoreFn, x: Float[Array, "*event"], direction: Float[Array, "*event"]
) -> Float[Array, ""]:
    """Implicit score matching along one direction, at the cost of one derivative.

    vᵀ (∇s) v + ½ (vᵀ s)², v as it is given; its mean over v with E[v vᵀ] = I is implicit score matching

    Args:
        score_fn: `score_fn(x) -> s`, of the shape of x, per unit of x.
        x: one example, of any shape.
        direction: v, a standard normal or Rademacher draw, of the shape of `x`; its length counts.

    Returns:
        A scalar of either sign, per squared unit of x.

    Raises:
        TypeError: an array is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Song et al. (2019), equation 7.

    >>> print(sliced_score_matching(lambda x: -x, jnp.array([1.0, 2.0]), jnp.array([1.0, 1.0])))
    2.5
    """
    score, curvature = _along(score_fn, x, direction)
    return curvature + 0.5 * jnp.sum(direction * score) ** 2


def sliced_score_matching_vr(
    score_fn: ScoreFn, x: Float[Array, "*event"], direction: Float[Array, "*event"]
) -> Float[Array, ""]:
    """The same with the second term in closed form, so that it varies less from direction to direction.

    vᵀ (∇s) v + ½ ‖s‖²

    Args:
        score_fn: `score_fn(x) -> s`, of the shape of x, per unit of x.
        x: one example, of any shape.
        direction: v, with E[v vᵀ] = I, of the shape of `x`.

    Returns:
        A scalar of either sign, per squared unit of x.

    Raises:
        TypeError: an array is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Song et al. (2019), equation 8.

    >>> print(sliced_score_matching_vr(lambda x: -x, jnp.array([1.0, 2.0]), jnp.array([1.0, 1.0])))
    0.5
    """
    score, curvature = _along(score_fn, x, direction)
    return curvature + 0.5 * jnp.sum(score**2)


def _along(score_fn: ScoreFn, x: Array, direction: Array) -> tuple[Array, Array]:
    """The score s and vᵀ (∇s) v."""
    check_float(x=x, direction=direction)
    check_same_shape(x=x, direction=direction)
    check_not_nan(x=x, direction=direction)
    score, change = jax.jvp(lambda x: _score(score_fn, x), (x,), (direction,))
    return score, jnp.sum(direction * change)


def _score(score_fn: ScoreFn, x: Array) -> Array:
    score = score_fn(x)
    check_same_shape(x=x, **{"score_fn(x)": score})
    return score
