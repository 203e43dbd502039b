"""Section 4: continual learning with new facts injected, and what is asked on the way."""

from kent.errors import require

require("learn", "accelerate", "datasets", "lm_eval", "pandas")
