"""Section 3, appendix A.1: the feed-forward memory, and what a pass over text measures."""
