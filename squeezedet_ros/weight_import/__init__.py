"""Weights of other SqueezeDet implementations, turned into ours."""
