"""Errors: each names what was wrong and quotes both sides, eagerly and through `checked`."""

from functools import partial

import jax
import jax.numpy as jnp
import jaxtyping
import pytest

import genjax
from genjax import autoregressive, densities, divergences, energy, flow, metrics, oracles, vae

KEY = jax.random.key(0)


def encode(x):
    return x, jnp.zeros_like(x)


def log_likelihood(x, z):
    return densities.normal_log_prob(x, z, jnp.zeros_like(x))


def quadratic(x):
    return jnp.sum(x**2) / 2


def grid(lower, upper, energy_fn=quadratic, num_points=4):
    return energy.log_partition_quadrature(energy_fn, lower, upper, num_points=num_points)


def anneal(x, betas, energy_fn=lambda x, beta: quadratic(x)):
    return energy.annealed_importance_sampling(KEY, energy_fn, lambda key, x, beta: x, x, betas)


def langevin(x, step_size=0.1, energy_fn=quadratic):
    return energy.metropolis_langevin(KEY, energy_fn, x, step_size=step_size)


def boltzmann(*shapes):
    return energy.RestrictedBoltzmann(*map(jnp.zeros, shapes))


def negative_elbo(x, **options):
    return vae.negative_elbo(KEY, encode, log_likelihood, x, **options)


def log_evidence(x, **options):
    return vae.log_evidence(KEY, encode, log_likelihood, x, **options)


def logits_fn(x):
    return jnp.zeros((2, 3))


def sample(**options):
    return autoregressive.sample(KEY, logits_fn, 2, **options)


TABLE = oracles.AutoregressiveTable((jnp.zeros(3), jnp.zeros((3, 3))))


def couple(raw, mask):
    return flow.Coupling(genjax.Bound(raw, lambda raw, _: raw), flow.affine, mask)


def spline(widths, heights, slopes):
    return lambda x: flow.rational_quadratic_spline(x, *map(jnp.array, (widths, heights, slopes)))


ONE, TWO, NAN = jnp.zeros(1), jnp.zeros(2), jnp.array([0.0, jnp.nan])
INTS = jnp.zeros(2, int)

STRUCTURE = [  # raised while tracing
    (densities.normal_log_prob, (TWO, ONE, TWO), ValueError, r"x \(2,\), mean \(1,\)"),
    (densities.normal_log_prob, (TWO, TWO, ONE), ValueError, r"x \(2,\), log_var \(1,\)"),
    (densities.normal_log_prob, (INTS, TWO, TWO), TypeError, "x must be floating point; got int32"),
    (densities.bernoulli_log_prob, (TWO, ONE), ValueError, r"x \(2,\), logits \(1,\)"),
    (densities.categorical_log_prob, (TWO, jnp.zeros((2, 3))), TypeError, "x must be integer; got float32"),
    (densities.categorical_log_prob, (INTS, jnp.zeros((3, 2))), ValueError, r"x \(2,\), logits \(3, 2\)"),
    (densities.discretized_logistic_log_prob, (TWO, TWO, ONE), ValueError, r"log_scale \(1,\)"),
    (
        partial(densities.discretized_logistic_log_prob, num_levels=1),
        (TWO, TWO, TWO),
        ValueError,
        "num_levels must be at least 2; got 1",
    ),
    (
        partial(densities.mixture_log_prob, densities.normal_log_prob),
        (TWO, jnp.zeros(3), jnp.zeros((2, 2)), jnp.zeros((2, 2))),
        ValueError,
        r"logits \(3,\), parameters \(2, 2\), \(2, 2\)",
    ),
    (divergences.kl_standard_normal, (TWO, ONE), ValueError, r"mean \(2,\), log_var \(1,\)"),
    (divergences.kl_normal, (TWO, TWO, TWO, ONE), ValueError, r"log_var_p \(1,\)"),
    (
        divergences.gaussian_frechet_distance,
        (TWO, jnp.eye(3), TWO, jnp.eye(3)),
        ValueError,
        r"mean_a \(2,\), cov_a \(3, 3\)",
    ),
    (vae.reparameterize, (TWO, ONE, TWO), ValueError, r"mean \(2,\), log_var \(1,\), noise \(2,\)"),
    (
        partial(vae.elbo_terms, lambda x: (x, jnp.zeros(3)), log_likelihood),
        (TWO, TWO),
        ValueError,
        r"mean \(2,\), log_var \(3,\)",
    ),
    (partial(vae.elbo_terms, encode, log_likelihood), (TWO, jnp.zeros(3)), ValueError, r"noise \(3,\)"),
    (
        partial(vae.elbo_terms, encode, lambda x, z: x - z),
        (TWO, TWO),
        ValueError,
        r"log_likelihood\(x, z\) must be a scalar, of shape \(\); got shape \(2,\)",
    ),
    (
        partial(vae.elbo_terms, lambda x: (INTS, INTS), log_likelihood),
        (TWO, TWO),
        TypeError,
        "mean must be floating point; got int32",
    ),
    (partial(negative_elbo, num_samples=0), (TWO,), ValueError, "num_samples must be at least 1; got 0"),
    (
        partial(negative_elbo, num_samples=2.0),
        (TWO,),
        TypeError,
        "num_samples must be a Python int; got float",
    ),
    (partial(negative_elbo, free_bits=-1.0), (TWO,), ValueError, "free_bits must not be negative; got -1.0"),
    (
        partial(negative_elbo, free_bits=1.0, log_prior=densities.standard_normal_log_prob),
        (TWO,),
        ValueError,
        "closed-form",
    ),
    (partial(log_evidence, chunk_size=0), (TWO,), ValueError, "chunk_size must be at least 1; got 0"),
    (
        lambda x: vae.negative_elbo(jax.random.split(KEY), encode, log_likelihood, x),
        (TWO,),
        ValueError,
        r"key must be one key, of shape \(\); got shape \(2,\)",
    ),
    (
        lambda x: vae.negative_elbo(jax.random.PRNGKey(0), encode, log_likelihood, x),
        (TWO,),
        TypeError,
        "key must be a typed key from jax.random.key; got uint32",
    ),
    (
        lambda x: vae.hierarchical_elbo_terms([encode], [encode], log_likelihood, x, [TWO]),
        (TWO,),
        ValueError,
        "got 1 encoders, 1 noises and 1 decoders",
    ),
    (partial(autoregressive.log_prob, logits_fn), (TWO,), TypeError, "x must be integer; got float32"),
    (
        partial(autoregressive.log_prob, logits_fn),
        (jnp.zeros((2, 2), int),),
        ValueError,
        r"one flat sequence, of shape \(n,\); got shape \(2, 2\)",
    ),
    (
        partial(autoregressive.negative_log_likelihood, logits_fn),
        (jnp.zeros(3, int),),
        ValueError,
        r"x \(3,\), logits \(2, 3\)",
    ),
    (
        lambda x: autoregressive.ensemble_log_prob([], x),
        (INTS,),
        ValueError,
        "an ensemble needs at least one member",
    ),
    (
        lambda x: sample(prefix=x),
        (jnp.zeros(3, int),),
        ValueError,
        "the prefix must not be longer than the sequence: 3 > 2",
    ),
    (lambda x: sample(prefix=x), (TWO,), TypeError, "x must be integer; got float32"),
    (
        lambda x: autoregressive.sample(KEY, lambda x: x.astype(float), 2, prefix=x),
        (INTS,),
        ValueError,
        r"logits must have shape \(n = 2, K\); got \(2,\)",
    ),
    (
        lambda x: autoregressive.cached_sample(KEY, lambda c, t, i: (c, jnp.zeros((2, 3))), x, 2),
        (INTS,),
        ValueError,
        r"logits must have shape \(K\); got \(2, 3\)",
    ),
    (
        lambda x: autoregressive.bayes_rule(lambda x, y: 0.0, x, jnp.zeros((1, 1))),
        (TWO,),
        ValueError,
        r"log_prior must be a vector, one entry a class; got shape \(1, 1\)",
    ),
    (TABLE.log_prob, (jnp.zeros(3, int),), ValueError, r"x must have shape \(2,\); got \(3,\)"),
    (
        oracles.AutoregressiveTable((jnp.zeros(3), jnp.zeros((2, 3)))).logits_fn,
        (INTS,),
        ValueError,
        r"\(K,\), \(K, K\), \(K, K, K\), …; got \(3,\), \(2, 3\)",
    ),
    (flow.Affine(ONE, TWO).forward, (TWO,), ValueError, r"z \(2,\), shift \(1,\), log_scale \(2,\)"),
    (flow.Affine(TWO, TWO).inverse, (INTS,), TypeError, "x must be floating point; got int32"),
    (
        partial(flow.log_prob, flow.Affine(TWO, TWO)),
        (INTS,),
        TypeError,
        "x must be floating point; got int32",
    ),
    (
        lambda x: flow.log_prob(flow.Affine(TWO, TWO), x, lambda z: z),
        (TWO,),
        ValueError,
        r"base_log_prob\(z\) must be a scalar, of shape \(\); got shape \(2,\)",
    ),
    (flow.affine, (jnp.zeros((2, 3)),), ValueError, r"raw must be \[\*event, 2\].* got shape \(2, 3\)"),
    (flow.Permutation((0, 2)).forward, (TWO,), ValueError, r"must reorder 0\.\.1.* got \(0, 2\)"),
    (flow.ActNorm(ONE, ONE).inverse, (jnp.zeros((2, 2, 3)),), ValueError, r"shift \(1,\), event \(2, 2, 3\)"),
    (
        flow.InvertibleLinear(jnp.eye(2), jnp.eye(2), ONE, (1, 1), (0, 1)).forward,
        (TWO,),
        ValueError,
        r"last axis, 2: lower \(2, 2\), log_diag \(1,\), 2 signs",
    ),
    (flow.Squeeze().forward, (jnp.zeros((3, 2, 1)),), ValueError, r"even H and W; got shape \(3, 2, 1\)"),
    (flow.Squeeze().inverse, (jnp.zeros((1, 1, 2)),), ValueError, r"\[H, W, 4C\]; got shape \(1, 1, 2\)"),
    (flow.Split(flow.Affine(ONE, ONE)).forward, (jnp.zeros(3),), ValueError, r"must be even .* \(3,\)"),
    (couple(jnp.zeros(4), (True,)).forward, (TWO,), ValueError, r"mask \(1,\), event \(2,\)"),
    (couple(jnp.zeros(4), (1, 0)).forward, (TWO,), TypeError, "nested tuples of bool; got int64"),
    (couple(jnp.zeros(3), (True, False)).inverse, (TWO,), ValueError, r"raw \(3,\), event \(2,\)"),
    (
        flow.RationalQuadraticSpline(jnp.zeros((2, 7))).forward,
        (TWO,),
        ValueError,
        r"an axis of 3K − 1: raw \(2, 7\), event \(2,\)",
    ),
    (
        spline([1.0, 1.0], [1.0, 1.0], [1.0, 1.0]),
        (jnp.array(0.0),),
        ValueError,
        r"slopes \[\*event, K \+ 1\]: x \(\), widths \(2,\), slopes \(2,\)",
    ),
    (flow.Logit(0.5).forward, (TWO,), ValueError, r"alpha must lie in \[0, 0\.5\); got 0\.5"),
    (
        partial(flow.fit_actnorm, flow.ActNorm(TWO, TWO)),
        (jnp.zeros((1, 2)),),
        ValueError,
        r"n at least 2; got shape \(1, 2\)",
    ),
    (
        partial(flow.reverse_kl_integrand, flow.Affine(TWO, TWO), lambda x: x),
        (TWO,),
        ValueError,
        r"log_target\(x\) must be a scalar",
    ),
    (grid, (TWO, ONE), ValueError, r"lower \(2,\), upper \(1,\)"),
    (grid, (jnp.zeros(4), jnp.ones(4)), ValueError, r"4 dimensions costs 4\^4 = 10\^2\.4 energies"),
    (partial(grid, num_points=1), (-TWO, TWO + 1), ValueError, "num_points must be at least 2; got 1"),
    (partial(grid, energy_fn=lambda x: x), (TWO - 1, TWO), ValueError, r"energy_fn\(x\) must be a scalar"),
    (partial(energy.log_partition_enumeration, quadratic), (jnp.zeros((0, 2)),), ValueError, "one state"),
    (
        anneal,
        (jnp.zeros((3, 2)), ONE),
        ValueError,
        r"betas must be a vector of at least two; got shape \(1,\)",
    ),
    (anneal, (jnp.zeros((0, 2)), TWO), ValueError, r"at least one chain; got shape \(0, 2\)"),
    (partial(langevin, step_size=TWO), (TWO,), ValueError, "step_size must be a scalar"),
    (partial(energy.contrastive_divergence, quadratic), (TWO, ONE), ValueError, r"x_model \(1,\)"),
    (
        partial(energy.noise_contrastive_estimation, quadratic, densities.standard_normal_log_prob),
        (jnp.zeros(()), TWO, TWO),
        ValueError,
        r"x_noise \(2,\), x_data \(2,\)",
    ),
    (boltzmann((3, 2), 3, 2).free_energy, (TWO,), ValueError, r"v must have one entry for each unit, \(3,\)"),
    (lambda x: boltzmann((3, 2), 2, 3).log_partition() + x, (ONE,), ValueError, r"got weights \(3, 2\)"),
    (lambda x: boltzmann((30, 25), 30, 25).log_partition() + x, (ONE,), ValueError, r"25 units and so 2\^25"),
    (vae.active_units, (TWO,), ValueError, r"means must be \[n, d\] with at least one row; got shape \(2,\)"),
    (vae.active_units, (jnp.zeros((0, 2)),), ValueError, r"got shape \(0, 2\)"),
    (metrics.diversity, (jnp.zeros((1, 2)),), ValueError, r"n at least 2; got samples \(1, 2\)"),
    (metrics.precision_recall, (jnp.zeros((3, 2)),) * 2, ValueError, r"n at least 4; got real \(3, 2\)"),
    (metrics.frechet_distance, (jnp.zeros((2, 2)),) * 2, ValueError, r"n at least 3; got a \(2, 2\)"),
    (
        partial(metrics.mode_coverage, std=1.0),
        (jnp.zeros((4, 2)), jnp.zeros((4, 3))),
        ValueError,
        r"samples \(4, 2\), centers \(4, 3\)",
    ),
]

VALUES = [  # raised on concrete input and through `checked`; NaN under jit
    (densities.normal_log_prob, (NAN, TWO, TWO), "x must not be NaN; got nan at flat position 1"),
    (densities.normal_log_prob, (TWO, TWO, NAN), "log_var must not be NaN"),
    (densities.standard_normal_log_prob, (NAN,), "x must not be NaN"),
    (
        densities.bernoulli_log_prob,
        (jnp.array([0.5, 1.0]), TWO),
        "x must be 0 or 1; got 0.5 at flat position 0",
    ),
    (densities.bernoulli_log_prob, (INTS, NAN), "logits must not be NaN"),
    (
        densities.continuous_bernoulli_log_prob,
        (jnp.array([0.5, 1.5]), TWO),
        r"x must lie in \[0, 1\]; got 1.5 at flat position 1",
    ),
    (densities.categorical_log_prob, (jnp.array(3), jnp.zeros(3)), r"x must lie in 0\.\.2; got 3"),
    (densities.categorical_log_prob, (jnp.array(-1), jnp.zeros(3)), r"x must lie in 0\.\.2; got -1"),
    (
        densities.discretized_logistic_log_prob,
        (jnp.array([0.0]), ONE, ONE),
        r"x must lie on the grid of 256 levels in \[-1, 1\]; got 0.0",
    ),
    (
        partial(autoregressive.log_prob, logits_fn),
        (jnp.array([1, 3]),),
        r"x must lie in 0\.\.2; got 3 at flat position 1",
    ),
    (partial(autoregressive.log_prob, lambda x: NAN[:, None]), (INTS,), "logits must not be NaN"),
    (
        lambda log_prior: autoregressive.bayes_rule(lambda x, y: jnp.zeros(2)[y], INTS, log_prior),
        (TWO,),
        r"the sum of exp\(log_prior\) must be 1; got 2.0",
    ),
    (TABLE.log_prob, (jnp.array([0, 3]),), r"x must lie in 0\.\.2; got 3 at flat position 1"),
    (
        lambda first: oracles.AutoregressiveTable((first, jnp.zeros((2, 2)))).log_probs(),
        (NAN,),
        r"logits\[0\] must not be NaN",
    ),
    (divergences.kl_standard_normal, (NAN, TWO), "mean must not be NaN"),
    (divergences.kl_categorical, (jnp.array([1.5, -0.5]), jnp.array([0.5, 0.5])), "p must not be negative"),
    (
        divergences.kl_categorical,
        (jnp.array([0.5, 0.5]), jnp.array([0.5, 1.0])),
        "the sum of q must be 1; got 1.5",
    ),
    (divergences.js_categorical, (jnp.array([0.5, 0.6]), jnp.array([0.5, 0.5])), "the sum of p must be 1"),
    (partial(flow.log_prob, flow.Affine(TWO, TWO)), (NAN,), "x must not be NaN; got nan at flat position 1"),
    (flow.Logit().forward, (jnp.array([0.5, 1.5]),), r"lie in \(0, 1\); got 1.5 at flat position 1"),
    (flow.Logit().forward, (jnp.array([0.0]),), r"lie in \(0, 1\); got 0.0"),
    (partial(flow.log_prob, flow.Sigmoid(0.25)), (jnp.array([1.75]),), r"lie in \(-0\.5, 1\.5\); got 1.75"),
    (spline([1.0, 0.0], [1.0, 1.0], [1.0, 1.0, 1.0]), (jnp.array(0.0),), "widths must be positive; got 0.0"),
    (spline([1.0, 1.0], [2.0, -1.0], [1.0, 1.0, 1.0]), (jnp.array(0.0),), "heights must be positive; got -1"),
    (
        spline([1.0, 1.0], [1.0, 1.0], [1.0, 0.0, 1.0]),
        (jnp.array(0.0),),
        "slopes must be positive; got 0.0 at flat position 1",
    ),
    (
        partial(flow.fit_actnorm, flow.ActNorm(TWO, TWO)),
        (jnp.array([[1.0, 2.0], [1.0, 3.0]]),),
        "standard deviation of each channel at an ActNorm must be positive; got 0.0 at flat position 0",
    ),
    (
        partial(flow.reverse_kl_integrand, flow.Affine(TWO, TWO), densities.standard_normal_log_prob),
        (NAN,),
        "noise must not be NaN",
    ),
    (negative_elbo, (NAN,), "x must not be NaN"),
    (partial(vae.elbo_terms, encode, log_likelihood), (TWO, NAN), "noise must not be NaN"),
    (partial(vae.elbo_terms, lambda x: (x + NAN, TWO), log_likelihood), (TWO, TWO), "mean must not be NaN"),
    (partial(log_evidence, num_samples=3), (NAN,), "x must not be NaN"),
    (
        partial(metrics.mode_coverage, centers=jnp.zeros((1, 2)), std=-1.0),
        (jnp.zeros((3, 2)),),
        "std must be positive",
    ),
    (metrics.diversity, (jnp.full((3, 2), jnp.nan),), "samples must not be NaN"),
    (grid, (TWO, TWO), "upper must exceed lower; got 0.0 at flat position 0"),
    (
        partial(grid, energy_fn=lambda x: jnp.log(x[0])),
        (TWO - 1, TWO + 1),
        r"energy must be a number or \+inf",
    ),
    (partial(grid, energy_fn=lambda x: -jnp.inf / x[0] ** 2), (TWO - 1, TWO), "energy must be a number"),
    (partial(grid, energy_fn=lambda x: jnp.inf / x[0] ** 2), (TWO - 1, TWO), "log Z must be finite"),
    (partial(energy.log_partition_enumeration, jnp.sum), (NAN[:, None],), "energy must be a number"),
    (anneal, (NAN[:, None], TWO), "the log weight of a chain must be a number"),
    (
        partial(energy.annealed_bracket, KEY, lambda x, beta: x**2, lambda key, x, beta: x, base_log_z=0.0),
        (TWO, TWO, jnp.array([0.0, 0.9])),
        "betas must run from 0 to 1; got 0.89",
    ),
    (langevin, (NAN,), "x must not be NaN"),
    (partial(langevin, step_size=0.0), (TWO,), "step_size must be positive; got 0.0"),
    (partial(langevin, energy_fn=lambda x: jnp.sum(jnp.sqrt(x))), (TWO - 1,), "x must stay a number"),
    (
        partial(energy.contrastive_divergence, jnp.sum),
        (NAN, TWO),
        r"energy must be a number or \+inf; got nan",
    ),
    (boltzmann((2, 2), 2, 2).free_energy, (jnp.array([0.5, 1.0]),), "v must be 0 or 1; got 0.5"),
    (energy.base_rate_logits, (jnp.array([[0.0, 3.0]]),), "v must be 0 or 1; got 3.0"),
    (partial(genjax.bits_per_dim, num_dims=3), (jnp.array(jnp.nan),), "nll must not be NaN"),
]


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(("fn", "args", "error", "message"), STRUCTURE)
def test_faults_of_structure_raise_eagerly_under_jit_and_through_checked(fn, args, error, message):
    for call in (fn, jax.jit(lambda *a: fn(*a)), genjax.checked(lambda *a: fn(*a))):
        with pytest.raises(error, match=message):
            call(*args)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(("fn", "args", "message"), VALUES)
def test_faults_of_value_raise_eagerly_and_through_checked_and_give_nan_under_jit(fn, args, message):
    with pytest.raises(ValueError, match=message):
        fn(*args)
    with pytest.raises(ValueError, match=message):
        genjax.checked(fn)(*args)
    leaves = jax.tree.leaves(jax.jit(fn)(*args))
    assert any(jnp.isnan(leaf).any() for leaf in leaves)


def test_checked_sees_into_a_function_that_was_compiled_before_and_into_batches():
    compiled = jax.jit(jax.vmap(densities.standard_normal_log_prob))
    x = jnp.zeros((3, 2))
    assert jnp.isfinite(compiled(x)).all()
    with pytest.raises(ValueError, match="x must not be NaN"):
        genjax.checked(compiled)(x.at[1, 1].set(jnp.nan))
    assert jnp.isfinite(genjax.checked(compiled)(x)).all()
    assert jnp.isnan(compiled(x.at[1, 1].set(jnp.nan))[1])


def test_checks_leave_no_effect_in_a_compiled_program():
    program = jax.make_jaxpr(lambda x: negative_elbo(x, num_samples=2))(TWO)
    assert not program.effects


def test_the_type_check_of_the_tests_bites():
    with pytest.raises(jaxtyping.TypeCheckError):
        densities.normal_log_prob(TWO, ONE, TWO)
