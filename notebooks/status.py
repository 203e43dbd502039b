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
# Versions, hardware, run times and commit of this build. Everything below was read when the book was built.

# %% tags=["hide-input"]
import json

import pandas as pd

from kent import records
from kent.models import pretraining

# %% [markdown]
# ## Machine and versions

# %%
pd.Series(records.describe_run(), name="value").to_frame()

# %% [markdown]
# ## Pages
#
# Every page of this build, how long it took with what the cache held then, and when it ran. A page that fails is not
# published, so none is listed here as failed.

# %% tags=["hide-input"]
executed = sorted((records.PACKAGE.parent / "_build/pages/tiny").glob("*.ipynb"))
pages = {path.stem: json.loads(path.read_text("utf-8"))["metadata"] for path in executed}
times = {page: found["papermill"] for page, found in pages.items() if page != "status"}
ended = {page: run for page, run in times.items() if run.get("end_time")}
rows = {page: (round(run["duration"], 1), run["end_time"][:19]) for page, run in ended.items()}
pd.DataFrame.from_dict(rows, orient="index", columns=["seconds", "finished (UTC)"])

# %% [markdown]
# ## The suites pretrained here
#
# How the models behind these pages were made: size, text read, time it took, and by which commit.

# %%
paths = {name: pretraining.locate_manifest(name) for name in pretraining.RECIPES}
made = {name: json.loads(path.read_text("utf-8")) for name, path in paths.items() if path.is_file()}
keys = ["parameters", "tokens", "seconds", "commit", "date", "machine", "torch"]
facts = {name: {key: manifest[key] for key in keys} for name, manifest in made.items()}
for name, manifest in made.items():
    facts[name]["tokens per parameter"] = round(manifest["tokens"] / manifest["parameters"], 2)
pd.DataFrame(facts)

# %% tags=["hide-input"]
pd.DataFrame({name: manifest["recipe"] for name, manifest in made.items()})

# %%
print("built from commit", records.describe_run()["commit"], "on", records.describe_run()["date"])
