"""What is decided for all lengths, with certificates that are checked again."""
