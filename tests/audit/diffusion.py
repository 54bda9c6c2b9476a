"""Score matching, diffusion and flow matching."""

import jax.numpy as jnp
import mpmath
import numpy as np

from genjax import diffusion

from ..registry.diffusion import CONTINUOUS, RECORDS, scales
from .case import Case

TIMES = np.array([1e-7, 1e-4, 0.01, 0.3, 0.5, 0.9, 1 - 2.0**-12])


def exact_vp(t):
    t = t[()]
    beta = [mpmath.mpf(float(np.float32(b))) for b in (0.1, 20.0)]
    b = beta[0] * t + (beta[1] - beta[0]) * t**2 / 2
    return mpmath.exp(-b / 2), mpmath.sqrt(-mpmath.expm1(-b)), -mpmath.log(mpmath.expm1(b))


def exact_line(t):
    t = t[()]
    return 1 - t, t, 2 * (mpmath.log(1 - t) - mpmath.log(t))


CASES = {
    f"genjax.diffusion.{name}": [Case(scales(schedule), (TIMES,), gradient=name != "Edm")]
    for name, schedule in CONTINUOUS.items()
}
CASES["genjax.diffusion.Rectified"] += [Case(scales(CONTINUOUS["Rectified"]), (TIMES,), exact_line)]
CASES["genjax.diffusion.posterior_variance"] = [
    Case(lambda t: diffusion.posterior_variance(CONTINUOUS["VariancePreserving"], 0.5 * t, t), (TIMES,))
]
CASES["genjax.diffusion.min_snr_weight"] = [
    Case(
        lambda t: jnp.stack(
            [
                diffusion.min_snr_weight(p)(CONTINUOUS["VariancePreserving"], t)
                for p in (diffusion.Prediction.NOISE, diffusion.Prediction.DATA, diffusion.Prediction.V)
            ]
        ),
        (TIMES,),
        gradient=False,
    )
]

EXEMPT = dict.fromkeys(RECORDS, "a record, a table made in float64, a rule of `sample`, or a report")
