"""What a model reads: documents, the synthetic world, and token sequences made of them."""
