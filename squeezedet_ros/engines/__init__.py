"""Ways to run the forward pass."""
