# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Status: what was run to make this book
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# What was run for this build, on what, and how near were the costs that its pages announce to what the runs took?
#
# Everything below was read when the book was built.

# %% tags=["hide-input", "made"]
import json

import pandas as pd
from IPython.display import Markdown

from kent import records
from kent.models import pretraining
from kent.models.suites import KEPT, WEIGHTS
from kent.pages import costs, scorecard
from kent.pages.seeds import collect_outputs

# %% tags=["hide-input", "made"]
executed = sorted((records.PACKAGE.parent / "_build/pages/tiny").glob("*.ipynb"))
pages = costs.compare_costs([path for path in executed if path.stem != "status"])

# %% tags=["hide-input", "answer"]
now = records.describe_run()
built = f"Built from commit `{now['commit']}` on {now['date'][:10]} ({now['machine']})."
Markdown(f"{built} {costs.describe_costs(pages)}")

# %% [markdown]
# ## Pages
#
# *estimated* are the seconds that a page announces for its runs, each by the records of other runs like it (its own is left
# out); *recorded* are those that the records of its runs hold, whether they were made for this build or before; *factor* is the
# first over the second. A run that several pages show counts on each of them. *page itself* are the seconds of executing the
# page, with runs that were mostly in the cache. A page that fails is not published, so none is listed as failed.

# %% tags=["hide-input"]
numbers = pages.drop(columns=["finished (UTC)", "estimate"])
numbers.style.format({"factor": "{:.2f}"}, precision=1, na_rep="")

# %% [markdown]
# When each page was executed, and what its estimate rests on:

# %% tags=["hide-input"]
pages[["finished (UTC)", "estimate"]].style.format(na_rep="")

# %% [markdown]
# ## Pages recorded elsewhere
#
# They ran on other models, when and on what stands here, and this build shows them as they came out.

# %% tags=["hide-input"]
kept = {path: collect_outputs(path, costs.RUNS) for path in scorecard.list_recorded()}
rows = {
    (scorecard.name_model(path.parent.name), path.stem): run for path in kept for run in kept[path]
}
recorded = pd.DataFrame.from_dict(rows, orient="index")
recorded if rows else Markdown("None so far.")

# %% [markdown]
# ## Machine and versions

# %% tags=["hide-input"]
pd.Series(now, name="value").to_frame()

# %% [markdown]
# ## The book's own suites
#
# How the models behind these pages were made: size, text read, time it took, and by which commit. The suites called small come with
# kent; the others were pretrained on this machine.

# %% tags=["hide-input"]
paths = {name: pretraining.locate_manifest(name) for name in pretraining.RECIPES}
paths |= {name: WEIGHTS / name / "manifest.json" for name in KEPT}
made = {name: json.loads(path.read_text("utf-8")) for name, path in paths.items() if path.is_file()}
keys = ["parameters", "tokens", "seconds", "commit", "date", "machine", "torch"]
facts = {name: {key: manifest[key] for key in keys} for name, manifest in made.items()}
for name, manifest in made.items():
    facts[name]["tokens per parameter"] = round(manifest["tokens"] / manifest["parameters"], 2)
pd.DataFrame(facts)

# %% tags=["hide-input"]
pd.DataFrame({name: manifest["recipe"] for name, manifest in made.items()})
