"""Section 3 and appendix A.1: the feed-forward memory of a model, and what one pass over text
measures."""
