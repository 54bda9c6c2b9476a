"""Models whose answers are known in closed form, to test losses, estimators and samplers against."""

from genjax.oracles.linear_gaussian import LinearGaussian

__all__ = ["LinearGaussian"]
