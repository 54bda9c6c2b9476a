"""One of every bijector, with small conditioners that need no network library."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from genjax import Bound
from genjax.flow import (
    ActNorm,
    Affine,
    Chain,
    ContextConditioner,
    Coupling,
    Fixed,
    Invert,
    InvertibleLinear,
    Logit,
    MaskedAutoregressive,
    Permutation,
    RationalQuadraticSpline,
    Sigmoid,
    Split,
    Squeeze,
    affine,
    channel_mask,
    checkerboard_mask,
    given,
)


def array(rng, *shape, scale=0.5):
    """Normal numbers in the precision of the test, the same to the last digit in both."""
    return jnp.asarray(np.asarray(rng.normal(size=shape) * scale, np.float32), float)


def perceptron(params, x, *context):
    """One hidden layer on the flattened event."""
    h = jnp.concatenate([jnp.ravel(x), *context])
    return params["out"] @ jnp.tanh(params["in"] @ h) + params["bias"]


def causal(params, x, *context):
    """Raw parameters [d, p] of coordinate i from the coordinates before i."""
    h = jnp.tril(params["in"], -1) @ jnp.ravel(x)
    if context:
        h = h + params["context"] @ context[0]
    # The second layer may look at its own place: the first has shifted by one.
    return jnp.stack([jnp.tril(out) @ jnp.tanh(h) for out in params["out"]], axis=-1) + params["bias"]


def dense(rng, num_inputs, num_outputs, hidden=6):
    return {
        "in": array(rng, hidden, num_inputs),
        "out": array(rng, num_outputs, hidden),
        "bias": array(rng, num_outputs),
    }


def made(rng, d, p, num_context=1):
    return {
        "in": array(rng, d, d),
        "out": array(rng, p, d, d),
        "bias": array(rng, d, p),
        "context": array(rng, d, num_context),
    }


def coupling(rng, mask, bijector=affine, num_raw=2):
    shape = np.shape(mask)
    size = int(np.prod(shape))
    return Coupling(Bound(dense(rng, size, size * num_raw), perceptron), bijector, mask)


@dataclass(frozen=True)
class Compiled:
    """A bijector whose single calls are one program each, where `check` calls it outside its own."""

    bijector: Any

    def forward(self, z):
        return jax.jit(self.bijector.forward)(z)

    def inverse(self, x):
        return jax.jit(self.bijector.inverse)(x)


def additive(raw):
    return Affine(raw[0], jnp.zeros_like(raw[0]))


SPLINE = partial(RationalQuadraticSpline, bound=2.5)
FIRST = (True, False, True)


def linear(rng, d):
    sign = tuple(int(s) for s in np.where(np.arange(d) % 2, -1, 1))
    return InvertibleLinear(
        array(rng, d, d), array(rng, d, d), array(rng, d), sign, (*range(1, d), 0) if d > 1 else (0,)
    )


def glow(rng):
    """Two scales on [4, 4, 1]: squeeze, split, steps, unsqueeze."""

    def step(shape):
        channels = shape[-1]
        norm = ActNorm(array(rng, channels), array(rng, channels))
        return [norm, linear(rng, channels), coupling(rng, channel_mask(shape))]

    inner = Chain((Squeeze(), *step((1, 1, 8)), Invert(Squeeze())))
    return Chain((Squeeze(), Split(inner), *step((2, 2, 4)), Invert(Squeeze())))


def conditional(rng):
    net = Bound(dense(rng, 3 + 2, 6), perceptron)
    layers = Chain(
        (
            Coupling(ContextConditioner(net), affine, (False, False, False)),
            Coupling(ContextConditioner(net), affine, FIRST),
            MaskedAutoregressive(ContextConditioner(Bound(made(rng, 3, 2, 2), causal)), affine),
        )
    )
    return given(layers, array(rng, 2))


# Name: how to build it, and the shape of its noise.
BIJECTORS = {
    "Affine": (lambda r: Affine(array(r, 3), array(r, 3)), (3,)),
    "Affine of a scalar": (lambda r: Affine(array(r), array(r)), ()),
    "Chain": (
        lambda r: Chain(
            (
                Affine(array(r, 3), array(r, 3)),
                Permutation((2, 0, 1)),
                RationalQuadraticSpline(array(r, 3, 8)),
            )
        ),
        (3,),
    ),
    "Invert": (lambda r: Invert(ActNorm(array(r, 3), array(r, 3))), (3,)),
    "Fixed": (lambda r: Fixed(Affine(array(r, 3), array(r, 3))), (3,)),
    "Split": (lambda r: Split(Affine(array(r, 2), array(r, 2))), (4,)),
    "Permutation": (lambda r: Permutation((1, 2, 0)), (2, 3)),
    "ActNorm": (lambda r: ActNorm(array(r, 3), array(r, 3)), (3,)),
    "ActNorm of an image": (lambda r: ActNorm(array(r, 3), array(r, 3)), (2, 2, 3)),
    "InvertibleLinear": (lambda r: linear(r, 4), (4,)),
    "InvertibleLinear of an image": (lambda r: linear(r, 3), (2, 2, 3)),
    "RationalQuadraticSpline": (lambda r: RationalQuadraticSpline(array(r, 3, 14)), (3,)),
    "Logit": (lambda r: Logit(), (3,)),
    "Logit with alpha": (lambda r: Logit(0.05), (3,)),
    "Sigmoid": (lambda r: Sigmoid(), (3,)),
    "Sigmoid with alpha": (lambda r: Sigmoid(1e-6), (3,)),
    "Squeeze": (lambda r: Squeeze(), (4, 2, 1)),
    "Coupling": (lambda r: coupling(r, FIRST), (3,)),
    "Coupling, additive": (lambda r: coupling(r, FIRST, additive, 1), (3,)),
    "Coupling, spline": (lambda r: coupling(r, FIRST, SPLINE, 11), (3,)),
    "Coupling, checkerboard": (lambda r: coupling(r, checkerboard_mask((2, 2, 2))), (2, 2, 2)),
    "Coupling, channels": (lambda r: coupling(r, channel_mask((2, 1, 4), flip=True)), (2, 1, 4)),
    "MaskedAutoregressive": (
        lambda r: MaskedAutoregressive(Bound(made(r, 3, 2), causal), affine),
        (3,),
    ),
    "MaskedAutoregressive, spline": (
        lambda r: MaskedAutoregressive(Bound(made(r, 4, 8), causal), SPLINE),
        (2, 2),
    ),
    "inverse autoregressive": (
        lambda r: Invert(MaskedAutoregressive(Bound(made(r, 3, 2), causal), affine)),
        (3,),
    ),
    "conditional": (conditional, (3,)),
    "Glow": (glow, (4, 4, 1)),
}


def build(name, seed=0):
    """The bijector in the precision of the test."""
    return BIJECTORS[name][0](np.random.default_rng(seed))


NUM_RANDOM = 5


def noise(name):
    """Points of the bijector's noise, exact in float32: five random ones, then ±30, 0 and ends of splines' boxes."""
    shape = BIJECTORS[name][1]
    size = int(np.prod(shape))
    corners = np.array([[30.0], [-30.0], [0.0], [3.0], [-2.5]])
    extreme = corners * np.where(np.arange(size) % 3 == 1, -1.0, 1.0)
    z = np.concatenate([np.random.default_rng(7).normal(size=(NUM_RANDOM, size)), extreme])
    if name.startswith("Logit"):
        z = np.clip(scipy.special.expit(z), 1e-6, 1 - 1e-6)
    return np.asarray(z, np.float32).reshape(-1, *shape)
