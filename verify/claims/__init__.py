"""The claims file: its schema, its kinds of evidence, how it is read and linted."""
