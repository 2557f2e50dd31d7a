"""What is asked: expressions, tasks, operand domains, layouts and position encodings."""
