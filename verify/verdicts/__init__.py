"""From claims and evidence to verdicts, and the controls that a verdict is held against."""
