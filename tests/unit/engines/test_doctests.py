"""The small examples in the docstrings are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name", ["ossicle.engines.words", "ossicle.engines.speaking", "ossicle.testing.marked"]
)
def test_the_examples_are_true(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert not result.failed
