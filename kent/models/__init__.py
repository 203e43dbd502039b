"""A model at a step of its pretraining: on the Hub, in folders, pretrained on the spot."""
