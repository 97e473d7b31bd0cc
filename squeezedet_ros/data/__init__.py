"""Where frames and their ground truth come from."""
