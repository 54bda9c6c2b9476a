"""Toy densities: they integrate to one, their samplers draw from them, their quadrature has converged."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from jax.test_util import check_grads
from scipy import stats
from sklearn.datasets import make_moons

from genjax.data import (
    Checkerboard,
    Circle,
    GaussianGrid,
    GaussianLine,
    GaussianRing,
    Pinwheel,
    TwoMoons,
    TwoSpirals,
)

# Density, lower corner, upper corner and cell of a grid. Cells of half a noise width give the whole mass to 1e-9, and
# that of a bin, whose edges cut through the density, to half a per cent: well below its standard error.
GRIDS = {
    "ring": (GaussianRing(), (-3, -3), (3, 3), 0.05),
    "grid": (GaussianGrid(), (-5, -5), (5, 5), 0.025),
    "checkerboard": (Checkerboard(), (-5, -5), (5, 5), 0.25),
    "pinwheel": (Pinwheel(), (-3, -3), (3, 3), 0.05),
    "moons": (TwoMoons(), (-1.5, -1), (2.5, 1.5), 0.025),
    "spirals": (TwoSpirals(), (-4, -4), (4, 4), 0.05),
}
SMOOTH = [name for name in GRIDS if name != "checkerboard"]
NUM_SAMPLES = 20_000

by_name = pytest.mark.parametrize("name", sorted(GRIDS))
smooth = pytest.mark.parametrize("name", sorted(SMOOTH))


def log_probs(density, x):
    return np.asarray(jax.jit(lambda x: jax.lax.map(density.log_prob, x, batch_size=4096))(jnp.asarray(x)))


def draw(density, seed, n):
    return jax.jit(density.sample, static_argnums=1)(jax.random.key(seed), n)


@by_name
def test_density_integrates_to_one_and_is_the_samplers(name, x64):
    density, lower, upper, step = GRIDS[name]
    edges = [np.linspace(a, b, round((b - a) / step) + 1) for a, b in zip(lower, upper, strict=True)]
    middles = np.stack(np.meshgrid(*((e[1:] + e[:-1]) / 2 for e in edges), indexing="ij"), axis=-1)
    log_density = log_probs(density, middles.reshape(-1, 2)).reshape(middles.shape[:2])
    mass = np.exp(log_density) * step**2
    np.testing.assert_allclose(mass.sum(), 1.0, atol=1e-6)

    x = np.asarray(draw(density, 0, NUM_SAMPLES))
    # Bins of ten by ten cells: their masses are those of the density.
    coarse = [e[::10] for e in edges]
    expected = mass.reshape(len(coarse[0]) - 1, 10, -1, 10).sum((1, 3)) * NUM_SAMPLES
    observed = np.histogram2d(*x.T, bins=coarse)[0]
    assert observed.sum() == NUM_SAMPLES
    filled = expected > 5
    pairs = [np.append(counts[filled], counts[~filled].sum()) for counts in (observed, expected)]
    if pairs[1][-1] < 5:  # nothing to speak of lies in the other bins
        assert pairs[0][-1] < 20
        pairs = [counts[:-1] for counts in pairs]
        pairs[1] *= pairs[0].sum() / pairs[1].sum()
    assert scipy.stats.chisquare(*pairs).pvalue > 0.01

    # The mean log-density is minus the entropy: a noise of the wrong size shows here.
    sampled = log_probs(density, x[:5000])
    entropy = -np.sum(mass[mass > 0] * log_density[mass > 0])
    standard_error = np.std(sampled) / math.sqrt(len(sampled))
    np.testing.assert_allclose(np.mean(sampled), -entropy, atol=4 * standard_error + 1e-6)


@smooth
def test_gradient_is_the_derivative_and_finite_everywhere(name, x64):
    density = GRIDS[name][0]
    log_prob = jax.jit(lambda x: density.log_prob(jnp.asarray(x)))
    for x in draw(density, 1, 3):
        check_grads(log_prob, (x,), order=1, modes=("fwd", "rev"), rtol=1e-5)
    far = jnp.array([[0.0, 0.0], [30.0, -30.0], [0.5, 0.25], [1e-30, 0.0]])
    assert np.all(np.isfinite(jax.jit(jax.vmap(jax.grad(density.log_prob)))(far)))


@by_name
def test_single_precision_under_jit_and_vmap_agrees_with_double(name):
    density = GRIDS[name][0]
    x = draw(density, 2, 200)
    single = jax.jit(jax.vmap(density.log_prob))(x)
    assert (x.dtype, single.dtype) == (jnp.float32, jnp.float32)
    assert np.all(np.isfinite(single))
    with jax.enable_x64(True):
        double = log_probs(density, np.asarray(x, np.float64))
        assert double.dtype == np.float64
    # |x| up to 5 rounds by 3e-7, at standardised distances up to 5 and noise down to 0.05.
    np.testing.assert_allclose(single, double, atol=2e-4)


def reference(x, centers, log_weights, noise):
    """Log-density of a mixture of round Gaussians, in NumPy."""
    squared = ((x[:, None] - centers) ** 2).sum(-1)
    components = log_weights - squared / (2 * noise**2) - math.log(2 * math.pi * noise**2)
    return scipy.special.logsumexp(components, axis=1) - scipy.special.logsumexp(log_weights)


def moon_nodes(num_nodes):
    theta, weights = scipy.special.roots_legendre(num_nodes)
    theta = math.pi * (theta + 1) / 2
    upper = np.stack([np.cos(theta), np.sin(theta)], axis=-1)
    lower = np.stack([1 - np.cos(theta), 0.5 - np.sin(theta)], axis=-1)
    return np.concatenate([upper, lower]), np.tile(weights, 2)


def spiral_nodes(num_nodes):
    u, weights = scipy.special.roots_legendre(num_nodes)
    v = (u + 1) / 2
    n = 3 * math.pi * v
    arm = np.stack([-np.cos(n) * n / 3, np.sin(n) * n / 3], axis=-1)
    return np.concatenate([arm, -arm]), np.tile(weights * v, 2)


# More than twice the nodes that the library takes at these noises, in one rule without panels.
@pytest.mark.parametrize(
    ("kind", "noise", "nodes", "num_nodes"),
    [
        (TwoMoons, 0.05, moon_nodes, 500),
        (TwoMoons, 0.5, moon_nodes, 200),
        (TwoSpirals, 0.1, spiral_nodes, 1200),
        (TwoSpirals, 1.0, spiral_nodes, 400),
    ],
)
def test_quadrature_has_converged_up_to_ten_standard_deviations(kind, noise, nodes, num_nodes, x64):
    density = kind(noise=noise)
    centers, weights = nodes(num_nodes)
    rng = np.random.default_rng(0)
    tips = centers[np.linspace(0, len(centers) - 1, 4).astype(int)]
    angle = rng.uniform(0, 2 * math.pi, 60)
    place = np.concatenate([tips.repeat(5, axis=0), rng.choice(centers, 40)])
    for distance in (0, 3, 10):
        x = place + distance * noise * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        np.testing.assert_allclose(
            log_probs(density, x), reference(x, centers, np.log(weights), noise), atol=1e-6
        )


def test_moons_are_those_of_scikit_learn(x64):
    clean, _ = make_moons(200, shuffle=False)
    density = TwoMoons(noise=1e-3)
    here = log_probs(density, clean[10:90])
    # On a long smooth curve the density is ½ (speed a unit angle)⁻¹ 1/π over the noise's cross-section.
    np.testing.assert_allclose(
        here, -math.log(2 * math.pi) - math.log(math.sqrt(2 * math.pi) * 1e-3), atol=1e-5
    )
    np.testing.assert_allclose(log_probs(density, clean[110:190]), here, atol=1e-5)


def test_the_mixtures_are_their_closed_forms(x64):
    ring, grid = GaussianRing(), GaussianGrid()
    assert (ring.centers.shape, grid.centers.shape) == ((8, 2), (25, 2))
    np.testing.assert_allclose(np.hypot(*ring.centers.T), 2.0)
    assert {tuple(c) for c in grid.centers} == {(a, b) for a in range(-4, 5, 2) for b in range(-4, 5, 2)}
    x = np.random.default_rng(0).normal(size=(50, 2)) * 2
    for density in (ring, grid):
        expected = reference(x, density.centers, np.zeros(len(density.centers)), density.std)
        np.testing.assert_allclose(log_probs(density, x), expected, rtol=1e-12)


def test_the_line_is_its_closed_form_and_its_samples_follow_it(x64):
    line = GaussianLine(num_modes=3, spacing=2.0, std=0.4)
    np.testing.assert_array_equal(line.centers, [[-2], [0], [2]])
    x = np.linspace(-4, 4, 801)[:, None]
    density = np.exp(log_probs(line, x))
    np.testing.assert_allclose(density.sum() * 0.01, 1, rtol=1e-6)
    np.testing.assert_allclose(density, stats.norm(line.centers.T, 0.4).pdf(x).mean(axis=1), rtol=1e-10)
    draws = np.sort(np.asarray(draw(line, 0, NUM_SAMPLES)).ravel())
    law = np.interp(draws, x.ravel(), np.cumsum(density) * 0.01 - density * 0.005)
    assert np.abs(law - (np.arange(NUM_SAMPLES) + 0.5) / NUM_SAMPLES).max() < 1.95 / np.sqrt(NUM_SAMPLES)


@pytest.mark.parametrize("wide", [False, True])
def test_checkerboard_is_exact(wide):
    with jax.enable_x64(wide):
        board = Checkerboard()
        middles = np.stack(np.meshgrid([-3.0, -1.0, 1.0, 3.0], [-3.0, -1.0, 1.0, 3.0]), -1).reshape(-1, 2)
        dark = (np.floor(middles / 2).sum(-1) % 2) == 0
        assert dark.sum() == 8
        np.testing.assert_allclose(
            log_probs(board, middles), np.where(dark, -math.log(32), -np.inf), rtol=1e-6
        )
        off = np.array([[4.0, 4.0], [-4.1, -4.1], [5.0, 5.0], [0.0, 4.0]])
        assert np.all(np.isneginf(log_probs(board, off)))
        corners = np.array([[-4.0, -4.0], [0.0, 0.0], [2.0, -2.0]])
        assert np.all(np.isfinite(log_probs(board, corners)))
        x = draw(board, 0, 100_000)
        assert np.all(np.isfinite(log_probs(board, x)))
        np.testing.assert_array_equal(jax.grad(board.log_prob)(x[0]), [0.0, 0.0])


def test_the_pinwheels_map_preserves_area(x64):
    straight, bent = Pinwheel(rate=0.0), Pinwheel()
    bend = lambda y: bent._turn(y, jnp.array(0.0), 1.0)
    y = draw(straight, 3, 20)
    x, jacobian = jax.jit(jax.vmap(lambda y: (bend(y), jax.jacfwd(bend)(y))))(y)
    np.testing.assert_allclose(np.linalg.det(np.asarray(jacobian)), 1.0, rtol=1e-12)
    np.testing.assert_allclose(log_probs(bent, x), log_probs(straight, y), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Circle(noise=0.0), "noise must be positive and finite; got 0.0"),
        (lambda: GaussianRing(std=-1.0), "std must be positive and finite; got -1.0"),
        (lambda: GaussianRing(num_modes=0), "num_modes must be at least 1; got 0"),
        (lambda: GaussianGrid(std=math.nan), "std must be positive and finite; got nan"),
        (lambda: GaussianGrid(side=0), "side must be at least 1; got 0"),
        (lambda: Pinwheel(radial_std=0.0), "radial_std must be positive and finite; got 0.0"),
        (lambda: Pinwheel(tangential_std=math.inf), "tangential_std must be positive and finite; got inf"),
        (lambda: Pinwheel(num_arms=0), "num_arms must be at least 1; got 0"),
        (lambda: TwoMoons(noise=0.0), "noise must be positive and finite; got 0.0"),
        (lambda: TwoSpirals(noise=-0.1), "noise must be positive and finite; got -0.1"),
    ],
)
def test_invalid_parameters_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_band_of_the_circle_holds_the_mass_of_its_noise():
    x = draw(Circle(), 3, NUM_SAMPLES)
    share = float((jnp.abs(jnp.sqrt(jnp.sum(x**2, axis=1)) - 2.0) <= 0.2).mean())
    expected = scipy.special.erf(2 / math.sqrt(2))  # two standard deviations of the radial noise
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / NUM_SAMPLES)


def test_without_noise_the_likelihood_of_a_circle_has_no_bound(x64):
    angles = jnp.linspace(0.0, 6.0, 50)
    x = 2 * jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=1)  # exactly on the circle
    means = [log_probs(Circle(noise=noise), x).mean() for noise in (1e-1, 1e-3, 1e-5)]
    # Each tenth of the noise gains log 10: the model's fit to the curve is worth any number of nats.
    np.testing.assert_allclose(np.diff(means), 2 * math.log(10), rtol=1e-6)
