"""Section 3 and appendix A.1: a model's feed-forward memory, and what a pass over text measures."""
