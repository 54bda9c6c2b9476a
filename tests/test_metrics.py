"""Two-sample metrics on samples whose answers are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance

from genjax.metrics import diversity, frechet_distance, mode_coverage, precision_recall

RNG = np.random.default_rng(0)
ANGLES = jnp.arange(8.0) * (jnp.pi / 4)
RING = 2 * jnp.stack([jnp.cos(ANGLES), jnp.sin(ANGLES)], axis=1)


def ring_samples(key, modes, n=400, std=0.1):
    key_mode, key_noise = jax.random.split(key)
    centers = RING[jax.random.choice(key_mode, jnp.array(modes), (n,))]
    return centers + std * jax.random.normal(key_noise, (n, 2))


def test_diversity_is_scipys_pairwise_distance_and_the_total_variance():
    samples = 1000.0 + jax.random.normal(jax.random.key(0), (50, 3))
    spread = diversity(samples)
    exact = np.asarray(samples, np.float64)
    np.testing.assert_allclose(spread.variance, exact.var(0, ddof=1).sum(), rtol=1e-5)
    np.testing.assert_allclose(
        spread.pairwise_distance, scipy.spatial.distance.pdist(exact).mean(), rtol=1e-5
    )


def test_coinciding_samples_have_no_diversity_and_a_finite_gradient():
    samples = jnp.ones((5, 2))
    spread, gradient = jax.value_and_grad(lambda s: sum(diversity(s)))(samples)
    assert spread == 0
    assert jnp.isfinite(gradient).all()


def test_a_collapsed_generator_is_flagged_by_every_number():
    healthy = ring_samples(jax.random.key(0), range(8))
    collapsed = ring_samples(jax.random.key(1), [3])
    assert diversity(collapsed).variance < 0.05 * diversity(healthy).variance
    assert diversity(collapsed).pairwise_distance < 0.2 * diversity(healthy).pairwise_distance
    coverage, fallen = (mode_coverage(s, RING, std=0.1) for s in (healthy, collapsed))
    assert (coverage.num_covered, fallen.num_covered) == (8, 1)
    # In two dimensions a Gaussian keeps 1 − exp(−9/2) of its mass within three standard deviations.
    share = 1 - np.exp(-4.5)
    assert abs(coverage.high_quality - share) < 4 * np.sqrt(share * (1 - share) / 400)


def test_samples_between_the_modes_cover_none():
    coverage = mode_coverage(jnp.zeros((10, 2)), RING, std=0.1)
    assert coverage.num_covered == 0
    assert coverage.high_quality == 0


def test_frechet_distance_is_that_of_the_moments(x64):
    a = jax.random.normal(jax.random.key(0), (60, 3)) * jnp.array([[1.0, 2.0, 0.5]])
    b = 1.0 + jax.random.normal(jax.random.key(1), (40, 3))
    cov_a, cov_b = np.cov(np.asarray(a).T), np.cov(np.asarray(b).T)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(cov_a + cov_b - 2 * root)
    np.testing.assert_allclose(frechet_distance(a, b), expected, rtol=1e-8)
    assert abs(frechet_distance(a, a)) < 1e-10


def low_rank(rng, n, d, rank):
    return rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (low_rank(RNG, 100, 32, 3), None),  # a set and itself in another order: 0
        (low_rank(RNG, 100, 32, 3) * np.logspace(-4, 3, 32), None),
        (low_rank(RNG, 7, 32, 7), None),  # fewer rows than columns
        (low_rank(RNG, 7, 32, 7), low_rank(RNG, 50, 32, 3) + 1),
        (low_rank(RNG, 2, 5, 2), low_rank(RNG, 3, 5, 3)),
        (1e5 + RNG.normal(size=(300, 8)), 1e5 + 0.5 + RNG.normal(size=(200, 8))),  # far from zero
    ],
)
def test_frechet_distance_of_any_rank_by_value_and_gradient(a, b):
    """Against ‖m_a − m_b‖² + tr A + tr B − 2 ‖X_a X_bᵀ‖_* in float64, with central differences in both sets."""
    b = RNG.permutation(a) if b is None else b
    a, b = np.float32(a), np.float32(b)

    def reference(a, b):
        (mean_a, a), (mean_b, b) = ((x.mean(0), (x - x.mean(0)) / (len(x) - 1) ** 0.5) for x in (a, b))
        nuclear = np.linalg.norm(a @ b.T, "nuc")
        return np.sum((mean_a - mean_b) ** 2) + np.sum(a**2) + np.sum(b**2) - 2 * nuclear

    value, (by_a, by_b) = jax.value_and_grad(frechet_distance, (0, 1))(jnp.asarray(a), jnp.asarray(b))
    a, b = np.float64(a), np.float64(b)
    spread = a.var(0).sum() + b.var(0).sum()
    assert value >= 0
    np.testing.assert_allclose(value, reference(a, b), rtol=1e-4, atol=2e-6 * spread)
    # Along x → x (I + ε G), which keeps the rank: where a rank changes, the distance has a kink.
    mix = RNG.normal(size=(a.shape[1],) * 2) / a.shape[1]
    mix *= np.minimum(a.std(0)[None] / a.std(0)[:, None], 1)  # columns of small scale stay so
    step = 1e-5
    for along, ends in (
        (np.sum(by_a * (a @ mix)), [reference(a + sign * step * (a @ mix), b) for sign in (1, -1)]),
        (np.sum(by_b * (b @ mix)), [reference(a, b + sign * step * (b @ mix)) for sign in (1, -1)]),
    ):
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(along, slope, rtol=1e-3, atol=1e-4 * (spread + abs(value)))


def test_precision_and_recall_see_quality_and_diversity_apart():
    real = ring_samples(jax.random.key(0), range(8))
    same = precision_recall(real, ring_samples(jax.random.key(1), range(8)))
    half = precision_recall(real, ring_samples(jax.random.key(2), range(4)))
    blurred = precision_recall(real, 2.0 * jax.random.normal(jax.random.key(3), (400, 2)))
    assert same.precision > 0.9
    assert same.recall > 0.9
    assert half.precision > 0.9
    assert abs(half.recall - 0.5) < 0.1
    assert blurred.precision < 0.3


def test_precision_is_the_definition_in_a_loop(x64):
    real, fake = np.random.default_rng(0).normal(size=(2, 12, 3))
    distance = scipy.spatial.distance.cdist
    radii = np.sort(distance(real, real), axis=1)[:, 2]  # the first neighbour of a point is itself
    expected = (distance(fake, real) <= radii[None]).any(1).mean()
    np.testing.assert_allclose(
        precision_recall(jnp.asarray(real), jnp.asarray(fake), k=2).precision, expected
    )


def test_distances_take_the_memory_of_their_matrix_and_not_of_all_differences():
    judge = lambda real, fake: (precision_recall(real, fake), diversity(fake))
    real, fake = jnp.zeros((400, 500)), jnp.zeros((3, 400, 500))
    program = jax.jit(jax.vmap(judge, (None, 0))).lower(real, fake).compile()
    matrix = 3 * 400 * 400 * 4  # the differences would take 500 times as much
    assert program.memory_analysis().temp_size_in_bytes < 20 * matrix


def test_diversity_counts_the_pairs_of_any_number_of_samples():
    many = jax.ShapeDtypeStruct((60_000, 2), jnp.float32)  # 60,000 · 59,999 is no int32
    assert jax.eval_shape(diversity, many).pairwise_distance.shape == ()
