"""Checks the claims of the two papers against proofs and against the trained networks, with honest verdicts."""
