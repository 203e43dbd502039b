"""What a model reads: documents from files, the synthetic world, the Hub; and the token sequences
made of them."""
