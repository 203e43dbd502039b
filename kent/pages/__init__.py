"""What every page shares: readings, seeds, tables."""

from kent.errors import require

require("book", "IPython", "matplotlib", "pandas", "scipy", "statsmodels")
