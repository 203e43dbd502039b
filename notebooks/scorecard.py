# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Scorecard: every claim against the evidence
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Which of the paper's claims hold in what was run here?
#
# What was run is the suite `tiny`: a model of about 0.8 million parameters on synthetic text. It can say what happens at this
# scale, not what happened in OLMo. A line that names another model is of a page recorded on it, and says what holds in that one: the
# suite `small`, which read about a thousand tokens per parameter, and SmolLM2-135M.

# %% tags=["hide-input", "made"]
from itertools import product

from IPython.display import HTML, Markdown

from kent import records
from kent.models.suites import OWN, SUITES
from kent.pages import entities, evidence, live, losses, page, regressions, scorecard
from kent.pages.plots import claims
from kent.pages.seeds import RECORDED
from kent.pages.summaries import NET
from kent.paper import CLAIMS

# %% tags=["hide-input", "made"]
built = records.PACKAGE.parent / "_build/pages"
readings = scorecard.collect_readings(scorecard.list_pages(built))
lines = scorecard.line_up(readings)

# %% tags=["hide-input", "answer"]
counted = scorecard.count_by_suite(lines)
Markdown("\n\n".join(counted.values()))

# %% [markdown]
# ## Every claim
#
# In the paper's order. The dot is what was measured and the bar its interval, on a scale of the line's own with zero in the
# middle; the paper's side is shaded. A bar on the shaded side that stays clear of the middle agrees. Short strokes are single
# seeds, of pretraining or of the order of rows; without them the interval is that within one seed. Open a claim's source for details. The
# [glossary](../book/glossary.md) says what each verdict means.

# %% tags=["hide-input"]
parts = (scorecard.offer_filter(lines), scorecard.list_claims(lines), scorecard.offer_files(lines))
Markdown("\n\n".join(parts))

# %% [markdown]
# ## Check
#
# Every verdict is one of the words defined, and every claim was judged by the page it names.

# %%
for row in readings:
    assert row["verdict"].removesuffix(evidence.ONE_MODEL) in evidence.SLUGS
    assert CLAIMS[row["claim"]].page == row["page"], "a claim is tested by the page it names"

# %% [markdown]
# The front page quotes numbers from here: for each claim what was measured, the verdict and the published value (of another
# model under its suite's name), and what the pages beyond the paper found.

# %% tags=["hide-input", "made"]
for line in lines:
    claim, verdict = CLAIMS[line["claim"]], line["verdict"]
    key = claim.key if line["suite"] == "tiny" else f"{line['suite']}-{claim.key}"
    page.share(**{f"{key}_change": scorecard.format_number(line), f"{key}_verdict": verdict})
    page.share(**{f"{key}_published": claim.published})
    page.share(**{f"{key}_chip": HTML(evidence.chip(verdict))})

# %% tags=["hide-input", "made"]
rescaled = built / "tiny" / "entropy_or_not.ipynb"
for q in (1, 2):
    row = f"minus unchanged, rescale, q = {q}"
    moved = scorecard.recall_estimate(rescaled, row, "H before (nats)")
    page.share(**{f"rescale-{q}": moved})

# %% tags=["hide-input", "made"]
names, changes = ["H", "loss"], {"resuscitate-1": "p = 50, q = 1"}
changes |= {"resuscitate-2": "p = 50, q = 2", "rescale-1": "rescale, p = 50, q = 1"}
edited = scorecard.find_page(built, "real_resuscitation")
for name, (key, change) in product(names, changes.items()):
    row = f"change of {name} (nats)"
    moved = scorecard.recall_estimate(edited, row, change)
    page.share(**{f"real-{key}-{name}": moved})

# %% tags=["hide-input", "made"]
real, beside = RECORDED / "smollm2", losses.FINAL + losses.BESIDE
controlled, lost = real / "entropy_or_not.ipynb", real / "held_out_loss.ipynb"
read = real / "real_knowledge.ipynb"
for change in ("resuscitate-1", "resuscitate-2", "random-1", "rescale-1"):
    name = change.replace("-", ", q = ")
    net = scorecard.recall_estimate(controlled, f"minus unchanged, {name}", NET)
    loss = scorecard.recall_estimate(lost, beside, name)
    known = scorecard.recall_estimate(read, entities.BESIDE, name)
    page.share(**{f"real-learned-{change}": net, f"real-lost-{change}": loss})
    page.share(**{f"real-read-{change}": known})

# %% tags=["hide-input", "made"]
cells = regressions.tabulate_cells()
kept, controls = cells.drop(index=("larger batch", "738k")), ["log rate", "log updates"]
for outcome in "AF":
    for name, term in {"stage": "stage", "rate": "log own"}.items():
        law = regressions.regress(kept, outcome, [*controls, term])
        page.share(**{f"limits-{outcome}-{name}": f"{law.r_squared:.3f}"})
page.share(**{"limits-r": f"{cells['stage'].corr(cells['log own']):.2f}".replace("-", "−")})

# %% tags=["hide-input", "made"]
for suite, steps in {"tiny": (128, 768), "small": (8_000, 50_000)}.items():
    recipe, size = OWN[suite], SUITES[suite].parameters
    for name, step in zip(("first", "last"), steps, strict=True):
        ratio = recipe.batch * recipe.length * step / size
        page.share(**{f"tokens-{suite}-{name}": f"{ratio:,.2g}" if ratio < 10 else f"{ratio:,.0f}"})
for suite, said in counted.items():
    key = "counts" if suite == "tiny" else f"{suite}-counts"
    page.share(**{key: said.replace("*", "")})

# %% tags=["hide-input", "made"]
figure1 = built / "tiny" / "fig01_memory_coefficients.ipynb"
picture = live.stand_in(live.recall(figure1), claims.draw_use())
page.share(picture=HTML(picture))
