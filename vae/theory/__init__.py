"""Computations of the Learn pages: exact evidence, bounds and gradients in small models."""
