"""Section 4.3: a model changed as a copy, never trained."""
