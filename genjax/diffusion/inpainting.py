"""A part of the event held at what is known, level by level, by any sampler."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from genjax._checks import check_count, check_not_nan, check_same_shape
from genjax.diffusion.process import Level, lost
from genjax.diffusion.steps import Estimate, Sampler

__all__ = ["inpainting"]


@dataclass(frozen=True, eq=False)
class _Inpainting:
    sampler: Sampler
    known: Array
    mask: Array
    num_resamples: int

    @property
    def draws(self) -> int:
        # Per round the sampler's own and one for the known part; between rounds one for the way back.
        return self.num_resamples * (self.sampler.draws + 2) - 1

    def init(self, x: Array) -> Any:
        check_same_shape(x=x, known=self.known)
        return self.sampler.init(x)

    def step(
        self, state: Any, noise: Array, estimate: Estimate, x: Array, now: Level, following: Level
    ) -> tuple[Array, Any]:
        own, before = self.sampler.draws, state
        known = self.known.astype(x.dtype)
        ratio, added = now.alpha / following.alpha, now.sigma * jnp.sqrt(lost(now, following))
        for k in range(self.num_resamples):
            if k:
                x = ratio * x + added * noise[-1]
                noise = noise[:-1]
            x = jnp.where(self.mask, now.alpha * known + now.sigma * noise[0], x)
            x, state = self.sampler.step(before, noise[1 : own + 1], estimate, x, now, following)
            noise = noise[own + 1 :]
        # Where nothing of the noise is left this is the known part itself.
        clean = self.mask & (following.sigma == 0)
        return jnp.where(clean, known, x), state

    def num_calls(self, num_steps: int) -> int:
        return self.num_resamples * self.sampler.num_calls(num_steps)


def inpainting(
    sampler: Sampler,
    known: Float[Array, "*event"],
    mask: Bool[Array, "*event"],
    *,
    num_resamples: int = 1,
) -> Sampler:
    """A sampler that fills in what is not known, by putting the known part in its place at every level.

    x_t ← alpha_t known + sigma_t z where the mask is true, before each step; with several rounds each step is gone
    back by the forward process, x_t = (alpha_t/alpha_s) x_s + √(sigma_t² − (alpha_t/alpha_s)² sigma_s²) z, and taken
    again

    Not exact: the unknown part meets a known part that was noised without regard to it, so that samples are not of
    the conditional law. The error falls with the number of rounds.

    Args:
        sampler: any rule; it should draw noise of its own, or rounds have little to mix.
        known: the event, of the shape of x; only what the mask covers counts.
        mask: true where the event is known, of the same shape.
        num_resamples: rounds per step.

    Returns:
        The sampler, of `num_resamples` times the network calls.

    Raises:
        TypeError: the count is no integer.
        ValueError: shapes differ, a NaN in `known`, or the count is below 1.

    Source: Lugmayr et al. (2022), algorithm 1.

    >>> from genjax.diffusion import ancestral, rectified, sample, Prediction
    >>> rule = inpainting(ancestral(), jnp.array([2.0, 0.0]), jnp.array([True, False]), num_resamples=2)
    >>> data = lambda x, t: jnp.full_like(x, x[0] / 2)
    >>> x = sample(jax.random.key(0), data, rectified(), jnp.zeros(2), num_steps=9, sampler=rule,
    ...     prediction=Prediction.DATA)
    >>> print(x[0], rule.num_calls(9))
    2.0 18
    """
    check_count(num_resamples=num_resamples)
    check_same_shape(known=known, mask=mask)
    check_not_nan(known=known)
    return _Inpainting(sampler, known, mask, int(num_resamples))
