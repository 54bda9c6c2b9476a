"""diffusers: its schedulers and its Gaussian posterior, through what they make public."""

from functools import cache
from typing import Any

from .peer import Lazy, Peer

torch, diffusers = Lazy("torch"), Lazy("diffusers")
STEPS = "t of the peer is t - 1 of the chain"


@cache
def scheduler(kind: str, **options: Any) -> Any:
    """A scheduler of 1,000 steps with the betas of DDPM, or other betas."""
    common = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02} if kind != "EDMEuler" else {}
    return getattr(diffusers, f"{kind}Scheduler")(**(common | options))


def levels(**options: Any) -> Any:
    """alpha, sigma and log SNR, as its solvers tabulate them; the clean level, which it has not, is exact."""

    def at(t: Any) -> Any:
        if int(t) == 0:
            return 1.0, 0.0, float("inf")
        made = scheduler("DPMSolverMultistep", **options)
        k = int(t) - 1
        return made.alpha_t[k], made.sigma_t[k], 2 * made.lambda_t[k]

    return at


def rescaled(t: Any) -> Any:
    if int(t) == 0:
        return 1.0, 0.0, float("inf")
    bar = scheduler("DDPM", rescale_betas_zero_snr=True).alphas_cumprod[int(t) - 1]
    return bar.sqrt(), (1 - bar).sqrt(), (bar / (1 - bar)).log()


def gaussian(mean: Any, log_var: Any) -> Any:
    module = Lazy("diffusers.models.autoencoders.vae")
    mean, log_var = torch.atleast_1d(mean), torch.atleast_1d(log_var)
    return module.DiagonalGaussianDistribution(torch.stack([mean, log_var])[None, :, None])


def of_diffusers(name: str, call: Any, cases: Any = None, *, gradient: bool = False, note: str = "") -> Peer:
    return Peer("diffusers", name, call, cases, "torch", gradient, note)


def preconditioned(x: Any, sigma: Any) -> Any:
    """Of the raw network of the case, 0.25 x + c."""
    made = scheduler("EDMEuler")
    value = 0.25 * made.precondition_inputs(x, sigma) + made.precondition_noise(sigma)
    return made.precondition_outputs(x, value, sigma)


def noised(x0: Any, noise: Any, t: Any) -> Any:
    return scheduler("DDPM").add_noise(x0[None], noise[None], t[None] - 1)


def posterior(x0: Any, x_t: Any, t: Any) -> Any:
    """The mean that its step takes from a network of the data, without noise, and the variance."""
    made = scheduler("DDPM", prediction_type="sample", clip_sample=False)
    k = int(t) - 1
    generator = Lazy("unittest.mock").patch(
        "diffusers.schedulers.scheduling_ddpm.randn_tensor", lambda shape, **_: torch.zeros(shape)
    )
    with generator:
        mean = made.step(x0[None, None], k, x_t[None, None]).prev_sample
    return mean, scheduler("DDIM")._get_variance(k, k - 1)


@cache
def karras() -> Any:
    made = diffusers.EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0)
    made.set_timesteps(40)
    return made.sigmas


DOCUMENTED = "documents log-variances clamped to [-30, 20]"
KL_STANDARD = [
    of_diffusers(
        "DiagonalGaussianDistribution.kl", lambda m, v: gaussian(m, v).kl(), gradient=True, note=DOCUMENTED
    )
]
KL = [
    of_diffusers(
        "DiagonalGaussianDistribution.kl",
        lambda m, v, n, w: gaussian(m, v).kl(gaussian(n, w)),
        gradient=True,
        note=DOCUMENTED,
    )
]

PEERS = {
    "genjax.diffusion.linear_schedule": [
        of_diffusers("DPMSolverMultistep alpha_t, sigma_t, lambda_t", levels(), note=STEPS)
    ],
    "genjax.diffusion.cosine_schedule": [
        of_diffusers(
            "DPMSolverMultistep, squaredcos_cap_v2",
            levels(beta_schedule="squaredcos_cap_v2"),
            note=STEPS,
        )
    ],
    "genjax.diffusion.rescale_zero_terminal_snr": [
        of_diffusers("DDPMScheduler(rescale_betas_zero_snr=True)", rescaled, note=STEPS)
    ],
    "genjax.diffusion.edm": [
        of_diffusers(
            "EDMEulerScheduler.sigmas",
            lambda i: karras()[int(i)],
        )
    ],
    "genjax.diffusion.add_noise": [of_diffusers("DDPMScheduler.add_noise", noised, (2,), note=STEPS)],
    "genjax.diffusion.posterior": [
        of_diffusers("DDPMScheduler.step, DDIM variance", posterior, (1,), note=STEPS)
    ],
    "genjax.diffusion.posterior_variance": [
        of_diffusers(
            "DDIMScheduler._get_variance",
            lambda t: scheduler("DDIM")._get_variance(int(t) - 1, int(t) - 2),
            (2,),
            note="private, what its step takes",
        )
    ],
    "genjax.diffusion.transition_variance": [
        of_diffusers("DDPMScheduler.betas", lambda t: scheduler("DDPM").betas[int(t) - 1], (1,))
    ],
    "genjax.diffusion.edm_denoiser": [
        of_diffusers("EDMEulerScheduler.precondition_*", preconditioned, (1,), gradient=True)
    ],
}
