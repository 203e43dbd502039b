"""A model at a step of its pretraining: from the Hub, from a folder, or pretrained on the spot."""
