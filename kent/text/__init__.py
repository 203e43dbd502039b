"""What a model reads: documents of files, the Hub and the synthetic world, and their tokens."""
