"""What networks see: operand pairs with their exact law, as lines of tokens; and randomness by counters."""
