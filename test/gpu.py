"""Marks what needs a GPU, which ``pytest -m gpu`` runs and nothing else sees."""

import pytest
import torch

MARKS = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device'),
]


def needs_cuda(test):
    for mark in MARKS:
        test = mark(test)
    return test
