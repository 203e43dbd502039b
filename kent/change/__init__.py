"""Section 4.3: a model changed, never trained."""
