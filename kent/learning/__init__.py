"""Section 4: continual learning with new facts injected, and what is asked before, during and after."""
