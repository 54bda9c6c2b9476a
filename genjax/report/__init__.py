"""What a run measured as one record, the page and the tables made from it, and pictures."""

from genjax.report import figures
from genjax.report.denoising import guidance_sweep, loss_by_band, quality_by_calls, states
from genjax.report.figures import Panel, Picture
from genjax.report.judge import Judge, judged
from genjax.report.measure import Measured, likelihood_rows, measure, summarize
from genjax.report.page import comparison_page, page, publish
from genjax.report.pictures import curves, image_panel, samples_beside_data
from genjax.report.summary import CHECKLIST, Quantity, Section, Summary, quantity
from genjax.report.table import comparison
from genjax.report.truth import beside_the_truth, entropy_gap

__all__ = [
    "CHECKLIST",
    "Judge",
    "Measured",
    "Panel",
    "Picture",
    "Quantity",
    "Section",
    "Summary",
    "beside_the_truth",
    "comparison",
    "comparison_page",
    "curves",
    "entropy_gap",
    "figures",
    "guidance_sweep",
    "image_panel",
    "judged",
    "likelihood_rows",
    "loss_by_band",
    "measure",
    "page",
    "publish",
    "quality_by_calls",
    "quantity",
    "samples_beside_data",
    "states",
    "summarize",
]
