"""Continuous normalizing flows: noise carried to data along an ordinary differential equation."""

from dataclasses import dataclass, field

import jax
from jaxtyping import Array, Float

from genjax.transport import Integrated, Velocity, carry, integrate

__all__ = ["ContinuousFlow"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class ContinuousFlow:
    """The flow of a velocity field, from noise at t = 1 to data at t = 0.

    dx/dt = v(x, t), log |det dx(0)/dx(1)| = −∫₀¹ ∇·v(x(t), t) dt

    The divergence costs one directional derivative per dimension. Along a `direction` e of independent signs it costs
    one in all, and `log_det` becomes an unbiased estimate of itself. A direction is no parameter but a draw, one for
    each solve: it is None in the flow that is trained, and is put in for one loss,

        def loss(key, flow, x):                                      # ONE example
            e = jax.random.rademacher(key, x.shape)
            return negative_log_likelihood(dataclasses.replace(flow, direction=e), x)

    A sample alone needs no divergence: `integrate(z)` is `forward(z)` without it.

    Gradients go through the solver's steps, in reverse mode alone. By default the solver chooses its steps, and
    `inverse` undoes `forward` to its tolerances; a fixed `num_steps` makes each a smooth function of its argument.

    Args:
        velocity: `velocity(x, t) -> v`, of the shape of `x`: a `Bound`, so that its parameters are the flow's; or
            a `ContextConditioner`, where it reads a context too.
        direction: e, of the event's shape, or None for the exact divergence.
        num_steps: a fixed number of steps, or None for steps by the tolerances; static.
        rtol: relative tolerance per step; static.
        atol: absolute tolerance per step; static.

    Source: Chen et al. (2018), section 4; the estimate: Grathwohl et al. (2019), section 3.1.

    >>> from genjax import Bound
    >>> flow = ContinuousFlow(Bound(jnp.array(2.0), lambda rate, x, t: rate * x), num_steps=8)    # x(0) = e⁻² z
    >>> x, log_det = flow.forward(jnp.ones(3))
    >>> print(f"{x[0]:.4f} {log_det:.4f}")
    0.1353 -6.0000
    """

    velocity: Velocity
    direction: Array | None = None
    num_steps: int | None = field(default=None, metadata={"static": True})
    rtol: float = field(default=1e-5, metadata={"static": True})
    atol: float = field(default=1e-5, metadata={"static": True})

    def forward(self, z: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Noise to data."""
        return self._carry(z, start=1.0, end=0.0)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Data to noise."""
        return self._carry(x, start=0.0, end=1.0)

    def integrate(self, z: Float[Array, "*event"]) -> Integrated:
        """Noise to data without the divergence, for samples alone."""
        return integrate(
            self.velocity, z, start=1.0, end=0.0, num_steps=self.num_steps, rtol=self.rtol, atol=self.atol
        )

    def _carry(self, x: Array, *, start: float, end: float) -> tuple[Array, Array]:
        return carry(
            self.velocity,
            x,
            start=start,
            end=end,
            direction=self.direction,
            num_steps=self.num_steps,
            rtol=self.rtol,
            atol=self.atol,
        )[:2]
