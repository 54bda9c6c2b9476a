"""Normalizing flows: exact densities by the change of variables.

A bijector maps ONE event of noise to data and back: `forward(z) -> (x, log_det)`, `inverse(x) -> (z, log_det)`, where
`log_det` is that of the map applied. Its float arrays are its parameters, so the flow itself is the pytree to train:

    flow = fit_actnorm(Chain((ActNorm(shift, log_scale), Coupling(Bound(params, apply), affine, mask), …)), x_batch)
    loss = lambda flow, x: negative_log_likelihood(flow, x)          # ONE example
    jax.grad(lambda flow: jnp.mean(jax.vmap(loss, (None, 0))(flow, x_batch)))(flow)
    sample = flow.forward(noise)[0]

A bijector is named by its forward map: pixels come out of a flow through `Sigmoid` and `Invert(Squeeze())`.
"""

from genjax.flow.actnorm import fit_actnorm
from genjax.flow.bijector import Bijector, log_prob, negative_log_likelihood
from genjax.flow.channels import ActNorm, InvertibleLinear, Permutation, Squeeze, invertible_linear
from genjax.flow.compose import Chain, Fixed, Invert, Split
from genjax.flow.context import ContextConditioner, given
from genjax.flow.continuous import ContinuousFlow
from genjax.flow.coupling import Coupling, MaskedAutoregressive, channel_mask, checkerboard_mask
from genjax.flow.diagnostics import CheckReport, check
from genjax.flow.elementwise import Affine, Logit, Sigmoid, affine
from genjax.flow.spline import RationalQuadraticSpline, rational_quadratic_spline
from genjax.flow.variational import reverse_kl, reverse_kl_integrand

__all__ = [
    "ActNorm",
    "Affine",
    "Bijector",
    "Chain",
    "CheckReport",
    "ContextConditioner",
    "ContinuousFlow",
    "Coupling",
    "Fixed",
    "Invert",
    "InvertibleLinear",
    "Logit",
    "MaskedAutoregressive",
    "Permutation",
    "RationalQuadraticSpline",
    "Sigmoid",
    "Split",
    "Squeeze",
    "affine",
    "channel_mask",
    "check",
    "checkerboard_mask",
    "fit_actnorm",
    "given",
    "invertible_linear",
    "log_prob",
    "negative_log_likelihood",
    "rational_quadratic_spline",
    "reverse_kl",
    "reverse_kl_integrand",
]
