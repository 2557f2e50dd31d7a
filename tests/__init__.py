"""The tests, and what they share: modules whose names do not begin with `test_`."""

import pytest

pytest.register_assert_rewrite("tests.statements")  # a check that fails there shows its values
