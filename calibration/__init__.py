"""Fits the parameters of splitmodel to measurements; imported as `splitmodel_calibration`."""
