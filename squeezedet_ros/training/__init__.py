"""Fitting a SqueezeDet: targets, loss, augmentation, loop."""
