"""What an encoding may do.

Shapes: B lines or 1 where all have the same positions, T tokens, Q queries, K keys, H heads, E dimensions per head, C channels.
"""

from __future__ import annotations

from torch import Tensor, nn


class Encoding(nn.Module):
    """No position encoding: causal attention that sees which tokens came before, and not where. Others override what they do."""

    def embed(self, x_BTC: Tensor, at_BT: Tensor) -> Tensor:
        """Tokens with their positions."""
        return x_BTC

    def address(self, x_BTC: Tensor, at_BT: Tensor) -> Tensor:
        """What queries and keys are made of, where values are made of the normalised tokens: of these, too."""
        return x_BTC

    def turn(self, x_BHTE: Tensor, at_BT: Tensor) -> Tensor:
        """Queries or keys with their positions."""
        return x_BHTE

    def score(self, score_BHQK: Tensor, q_BHQE: Tensor, query_BQ: Tensor, key_BK: Tensor) -> Tensor:
        """Scores with the positions of queries and keys, which the caller may write to; `q_BHQE` is not divided by sqrt(E)."""
        return score_BHQK
