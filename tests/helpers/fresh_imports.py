"""What the server of ``fresh`` imports before it starts processes."""

import tests.helpers.stores
import tests.helpers.tiny  # noqa: F401
import torch

import diffmvr.evaluate
import diffmvr.train  # noqa: F401

# As conftest does in the tests' own process.
torch.set_num_threads(1)
