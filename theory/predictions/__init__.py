"""What a network will do on longer operands, by which rule, and how it is told."""
