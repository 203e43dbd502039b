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

from kent import pretraining, records

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
facts = {path.stem: json.loads(path.read_text("utf-8"))["metadata"]["papermill"] for path in executed}
facts = {page: run for page, run in facts.items() if page != "status" and run.get("end_time")}
rows = {page: (round(run["duration"], 1), run["end_time"][:19]) for page, run in facts.items()}
pd.DataFrame.from_dict(rows, orient="index", columns=["seconds", "finished (UTC)"])

# %% [markdown]
# ## The tiny suite
#
# How the models behind these pages were made: size, text read, time it took, and by which commit.

# %%
manifest = json.loads((pretraining.pretrain("tiny") / "manifest.json").read_text("utf-8"))
tokens_per_parameter = manifest["tokens"] / manifest["parameters"]
keys = ["parameters", "tokens", "seconds", "commit", "date", "machine", "torch"]
pd.Series({key: manifest[key] for key in keys} | {"tokens per parameter": round(tokens_per_parameter, 2)}).to_frame(
    "tiny"
)

# %% tags=["hide-input"]
pd.Series(manifest["recipe"], name="recipe").to_frame()

# %%
print("built from commit", records.describe_run()["commit"], "on", records.describe_run()["date"])
