"""The self-check accepts every bijector and refuses maps that are not what they claim."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import Bound
from genjax.flow import (
    Affine,
    Chain,
    InvertibleLinear,
    Logit,
    MaskedAutoregressive,
    RationalQuadraticSpline,
    Sigmoid,
    affine,
    check,
)

from .bijectors import Compiled, build, noise


@dataclass(frozen=True)
class Map:
    """Two functions that claim to be inverse, with the log-determinants they claim."""

    forward_and_log_det: object
    inverse_and_log_det: object

    def forward(self, z):
        return self.forward_and_log_det(z)

    def inverse(self, x):
        return self.inverse_and_log_det(x)


SQUARE = Map(
    lambda z: (z**2, jnp.sum(jnp.log(jnp.abs(2 * z)))),
    lambda x: (jnp.sqrt(x), -jnp.sum(jnp.log(2 * jnp.sqrt(x)))),
)
RELU = Map(lambda z: (jax.nn.relu(z), jnp.zeros(())), lambda x: (x, jnp.zeros(())))
CUBE = Map(
    lambda z: (z**3 + z, jnp.sum(jnp.log1p(3 * z**2))),
    lambda x: (x, jnp.zeros(())),  # no inverse at all
)


@pytest.mark.parametrize("name", ["Coupling", "MaskedAutoregressive", "Affine of a scalar"])
def test_bijectors_pass_with_small_errors(name):
    bijector = build(name)
    x = bijector.forward(jnp.asarray(noise(name)[0]))[0]
    report = check(bijector, x, grid_limits=(-20.0, 20.0))
    assert max(report[:3]) < 1e-5
    if x.size <= 2:
        assert abs(report.mass - 1) < 1e-3
    else:
        assert report.mass is None


@pytest.mark.parametrize("name", ["Chain", pytest.param("Glow", marks=pytest.mark.slow)])
def test_double_precision_is_held_to_double_precision(name, x64):
    """Glow's Jacobian has a condition of 3e4 here: in float32 its log-determinant holds two digits less."""
    report = check(Compiled(build(name)), jnp.asarray(noise(name)[0], float))
    assert max(report[:3]) < 1e-12


def test_a_point_outside_the_range_is_named():
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\); got 1.75 at flat position 0"):
        check(Sigmoid(), jnp.array([1.75, 0.5]))


def test_the_mass_of_a_density_on_an_interval():
    flow = Chain((Affine(jnp.zeros(2), jnp.zeros(2)), Sigmoid()))
    report = check(flow, jnp.array([0.3, 0.9]), grid_limits=(0.0, 1.0))
    assert abs(report.mass - 1) < 1e-3
    with pytest.raises(ValueError, match=r"density is NaN at x = .*set grid_limits"):
        check(flow, jnp.array([0.3, 0.9]))


@pytest.mark.parametrize(
    ("bijector", "x"),
    [
        (SQUARE, jnp.array([4.0])),  # invertible at x, and not at a negative z
        (RELU, jnp.array([4.0, 1.0])),
        (CUBE, jnp.array([4.0])),
        (Affine(jnp.zeros(2), jnp.array([0.0, -200.0])), jnp.array([1.0, 0.0])),  # scale 0 in float32
        (
            InvertibleLinear(
                jnp.zeros((2, 2)), jnp.zeros((2, 2)), jnp.array([0.0, -jnp.inf]), (1, 1), (0, 1)
            ),
            jnp.array([1.0, 1.0]),
        ),
        (MaskedAutoregressive(Bound((), lambda _, x: jnp.stack([x[::-1], 0 * x], 1)), affine), jnp.ones(2)),
        (Logit(), jnp.array([0.3])),  # does not accept every noise
    ],
    ids=["square", "relu", "no inverse", "collapsed scale", "singular", "not causal", "half the line"],
)
def test_a_map_that_is_not_invertible_is_refused_and_the_point_named(bijector, x):
    with pytest.raises(ValueError, match=r"not invertible.* at [xz] = \[[-\d. e]+\]: "):
        check(bijector, x)


def test_wrong_log_determinants_are_refused():
    forgets_sign = Map(lambda z: (2 * z, jnp.log(2.0)), lambda x: (x / 2, jnp.log(2.0)))
    with pytest.raises(ValueError, match=r"wrong log_det from inverse, at z = .*error 0\.8"):
        check(forgets_sign, jnp.ones(1))
    forgets_sum = Map(lambda z: (2 * z, jnp.log(2.0)), lambda x: (x / 2, -jnp.log(2.0)))
    with pytest.raises(ValueError, match="wrong log_det from forward"):
        check(forgets_sum, jnp.ones(3))
    per_coordinate = Map(lambda z: (z, jnp.zeros(3)), lambda x: (x, jnp.zeros(3)))
    with pytest.raises(ValueError, match=r"must be a scalar, of shape \(\); got shape \(3,\)"):
        check(per_coordinate, jnp.ones(3))
    pads = Map(lambda z: (z[:2], jnp.zeros(())), lambda x: (jnp.append(x, 0.0), jnp.zeros(())))
    with pytest.raises(ValueError, match=r"as many dimensions: noise \(3,\), data \(2,\)"):
        check(pads, jnp.ones(2))


def test_a_tolerance_is_the_users():
    almost = Map(lambda z: (z, jnp.full((), 1e-3)), lambda x: (x, jnp.zeros(())))
    with pytest.raises(ValueError, match="wrong log_det from forward"):
        check(almost, jnp.ones(3))
    np.testing.assert_allclose(check(almost, jnp.ones(3), tolerance=0.01).forward_log_det_error, 1e-3)


@pytest.mark.slow
def test_the_mass_outside_the_grid_is_missing():
    flow = RationalQuadraticSpline(jnp.zeros((1, 8)))
    assert abs(check(flow, jnp.zeros(1), grid_limits=(0.0, 8.0)).mass - 0.5) < 1e-3
