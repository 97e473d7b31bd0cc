"""Drawn street scenes: a seeded renderer with exact ground truth, NumPy and OpenCV only."""
