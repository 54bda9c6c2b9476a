"""Times, levels and labels out of range raise where they are concrete and give NaN where they are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import genjax
from genjax import autoregressive, densities, diffusion, flow_matching, metrics, score
from genjax.diffusion import Prediction

from ..registry.diffusion import CONTINUOUS, LINEAR, VP, field
from ..registry.row import INTS, KEY, TWO

pytestmark = pytest.mark.usefixtures("untyped", "standard_promotion")

HALF = jnp.array([0.5, 0.5])
EYE = jnp.eye(2)

SCHEDULES = {
    **{name: (s, (-0.5, 2.0 if name != "Edm" else np.nan, np.nan)) for name, s in CONTINUOUS.items()},
    "DiscreteSchedule": (LINEAR, (-1, 101)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_times_outside_a_schedule_raise_and_under_jit_give_nan(name):
    schedule, times = SCHEDULES[name]
    scales = lambda t: (schedule.alpha(t), schedule.sigma(t), schedule.log_snr(t))
    for t in times:
        for scale in (schedule.alpha, schedule.sigma, schedule.log_snr):
            with pytest.raises(ValueError, match=rf"t must lie in .*; got {t}"):
                scale(t)
    assert np.isnan(jax.jit(jax.vmap(scales))(jnp.array(times))).all()


EDGES = [
    (lambda t: diffusion.posterior(VP, TWO, TWO, 0.4, t), 0.3, r"s must lie before t = 0\.3.*; got 0\.4"),
    (
        lambda t: diffusion.continuous_bound_error(field, VP, TWO, t, TWO),
        1.5,
        r"t must lie in \[0, 1\]; got 1.5",
    ),
    (
        lambda t: flow_matching.flow_matching_error(field, TWO, t, TWO),
        -0.5,
        r"t must lie in \[0, 1\]; got -0.5",
    ),
    (
        lambda t: flow_matching.mean_flow_error(lambda x, r, t: x, TWO, 0.75, t, TWO),
        0.5,
        r"r must be at most t; got 0\.75",
    ),
    (
        lambda t: flow_matching.mean_flow_error(lambda x, r, t: x, TWO, t, 0.5, TWO),
        -0.5,
        r"t must lie in \[0, 1\]; got -0\.5",
    ),
    (lambda t: diffusion.likelihood_weight(VP, t), 2.0, r"t must lie in \[0, 1\]; got 2\.0"),
    (lambda t: diffusion.transition_variance(VP, 0.5, t), 2.0, r"t must lie in \[0, 1\]; got 2\.0"),
    (lambda t: diffusion.min_snr_weight(Prediction.V)(VP, t), 2.0, r"t must lie in \[0, 1\]; got 2\.0"),
    (lambda t: diffusion.edm_weight()(VP, t), 2.0, r"t must lie in \[0, 1\]; got 2\.0"),
    (
        lambda t: diffusion.convert(LINEAR, TWO, TWO, t, source=Prediction.NOISE, target=Prediction.V),
        101,
        r"t must lie in 0\.\.100; got 101",
    ),
    (
        lambda x: genjax.dequantize(x, HALF),
        [0, 256],
        r"levels must lie in 0\.\.255; got 256 at flat position 1",
    ),
    (
        lambda x: genjax.dequantize(INTS, x),
        [0.5, 1.5],
        r"noise must lie in \[0, 1\); got 1\.5 at flat position 1",
    ),
    (
        lambda x: densities.discretized_logistic_mixture_log_prob(x, EYE, EYE, EYE),
        [0.0, 1.25],
        r"x must lie on the grid of 256 levels in \[-1, 1\]; got 0\.0 at flat position 0",
    ),
    (
        lambda x: densities.discretized_logistic_log_prob(x, TWO, TWO, num_levels=3),
        [0.0, 2.0],
        r"x must lie on the grid of 3 levels in \[-1, 1\]; got 2\.0 at flat position 1",
    ),
    (
        lambda x: densities.categorical_log_prob(x, EYE),
        np.array([1, 255], np.uint8),
        r"x must lie in 0\.\.1; got 255 at flat position 1",
    ),
    (
        lambda x: metrics.mode_divergence(x, HALF),
        [0, -1],
        r"modes must lie in 0\.\.1; got -1 at flat position 1",
    ),
    (lambda x: densities.bernoulli_log_prob(x, TWO), [1, 2], "x must be 0 or 1; got 2 at flat position 1"),
]


@pytest.mark.parametrize(("fn", "value", "message"), EDGES)
def test_levels_labels_and_times_out_of_range_raise_and_under_jit_give_nan(fn, value, message):
    with pytest.raises(ValueError, match=message):
        fn(jnp.asarray(value))
    assert all(np.isnan(leaf).any() for leaf in jax.tree.leaves(jax.jit(fn)(jnp.asarray(value))))


@pytest.mark.parametrize("prefix", [[3], [-1]])
def test_a_level_out_of_range_in_a_prefix_raises(prefix):
    with pytest.raises(ValueError, match=rf"prefix must lie in 0\.\.2; got {prefix[0]} at flat position 0"):
        autoregressive.sample(KEY, lambda x: jnp.zeros((2, 3)), 2, prefix=jnp.array(prefix))


def test_what_is_differentiated_is_not_concrete_and_gives_nan():
    both = jax.value_and_grad(lambda step: jnp.sum(score.langevin_step(jnp.sin, TWO, TWO, step_size=step)))
    assert jnp.isnan(both(-1.0)[0])
    with pytest.raises(ValueError, match="step_size must be positive"):
        genjax.checked(both)(-1.0)
