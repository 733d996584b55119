"""Tiny models run fastest, and the same everywhere, on one thread."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Tensor operations of the test use one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
