"""What the Learn pages compute: exact evidence, bounds and gradients in small models."""
