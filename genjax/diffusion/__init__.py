"""Diffusion: schedules, targets, losses, samplers and likelihood as functions of (alpha, sigma).

x_t = alpha(t) x0 + sigma(t) ε, from data at t = 0 to noise. A network is one callable of one event and one time,
`predict(x_t, t)`; labels reach it by closure.
"""

from genjax.diffusion.bound import (
    BoundTerms,
    continuous_bound_error,
    hybrid_error,
    interpolated_variance,
    variational_bound,
)
from genjax.diffusion.continuous import (
    LogSnrLinear,
    Rectified,
    VarianceExploding,
    VariancePreserving,
    log_snr_linear,
    rectified,
    variance_exploding,
    variance_preserving,
)
from genjax.diffusion.guidance import (
    classifier_free_guidance,
    classifier_guidance,
    composed,
    limited,
    rescaled,
)
from genjax.diffusion.inpainting import inpainting
from genjax.diffusion.inspection import ScheduleReport, check_schedule, preflight
from genjax.diffusion.karras import Edm, edm
from genjax.diffusion.likelihood import log_prob, sample_ode
from genjax.diffusion.losses import denoising_error, denoising_loss, l_simple
from genjax.diffusion.preconditioning import edm_denoiser, edm_error, edm_loss
from genjax.diffusion.prediction import Prediction, convert, converted
from genjax.diffusion.process import (
    Level,
    add_noise,
    posterior,
    posterior_variance,
    prior_sample,
    transition_variance,
)
from genjax.diffusion.sampling import invert, sample
from genjax.diffusion.schedules import (
    DiscreteSchedule,
    cosine_schedule,
    linear_schedule,
    rescale_zero_terminal_snr,
    schedule_from_betas,
)
from genjax.diffusion.steps import (
    Sampler,
    ancestral,
    ddim,
    dpm_solver_pp_2m,
    euler,
    euler_maruyama,
    heun,
    predictor_corrector,
)
from genjax.diffusion.times import log_snr_times, logit_normal_time, low_discrepancy_times
from genjax.diffusion.weighting import (
    edm_weight,
    likelihood_weight,
    min_snr_weight,
    snr_weight,
)

__all__ = [
    "BoundTerms",
    "DiscreteSchedule",
    "Edm",
    "Level",
    "LogSnrLinear",
    "Prediction",
    "Rectified",
    "Sampler",
    "ScheduleReport",
    "VarianceExploding",
    "VariancePreserving",
    "add_noise",
    "ancestral",
    "check_schedule",
    "classifier_free_guidance",
    "classifier_guidance",
    "composed",
    "continuous_bound_error",
    "convert",
    "converted",
    "cosine_schedule",
    "ddim",
    "denoising_error",
    "denoising_loss",
    "dpm_solver_pp_2m",
    "edm",
    "edm_denoiser",
    "edm_error",
    "edm_loss",
    "edm_weight",
    "euler",
    "euler_maruyama",
    "heun",
    "hybrid_error",
    "inpainting",
    "interpolated_variance",
    "invert",
    "l_simple",
    "likelihood_weight",
    "limited",
    "linear_schedule",
    "log_prob",
    "log_snr_linear",
    "log_snr_times",
    "logit_normal_time",
    "low_discrepancy_times",
    "min_snr_weight",
    "posterior",
    "posterior_variance",
    "predictor_corrector",
    "preflight",
    "prior_sample",
    "rectified",
    "rescale_zero_terminal_snr",
    "rescaled",
    "sample",
    "sample_ode",
    "schedule_from_betas",
    "snr_weight",
    "transition_variance",
    "variance_exploding",
    "variance_preserving",
    "variational_bound",
]
