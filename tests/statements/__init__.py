"""The checks behind the table of tests/test_statements.py."""
