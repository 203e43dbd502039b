"""A model at a step of its pretraining: checkpoints on the Hub, in folders, and pretrained on the
spot."""
