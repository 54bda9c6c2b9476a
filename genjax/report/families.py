"""What each family is, in the words of the family map."""

from typing import NamedTuple

__all__ = ["FAMILIES", "Family"]


class Family(NamedTuple):
    """A row of the map that no measurement gives.

    Args:
        objective: kind of objective: likelihood, bound, adversarial, denoising, reconstruction.
        tool: the mathematics it rests on.
        likelihood: exact, a bound, an estimate, or implicit.

    >>> FAMILIES["flow"].tool
    'change of variables'
    """

    objective: str
    tool: str
    likelihood: str


FAMILIES = {
    "autoencoder": Family("reconstruction", "a code and its reconstruction", "none: no distribution"),
    "vae": Family("bound", "variational inference", "lower bound"),
    "gan": Family("adversarial", "a minimax game; Jensen–Shannon divergence", "implicit"),
    "flow": Family("likelihood", "change of variables", "exact"),
    "autoregressive": Family("likelihood", "the chain rule", "exact"),
    "energy": Family("likelihood gradient", "the partition function; Markov chains", "exact up to log Z"),
    "diffusion": Family("denoising", "Markov chains and scores", "bound; exact by the ODE"),
    "score": Family("denoising", "scores and Langevin dynamics", "implicit"),
    "flow_matching": Family("denoising", "a velocity along straight lines", "exact by the ODE"),
    "classifier": Family("likelihood of labels", "a conditional distribution", "of the label alone"),
}
