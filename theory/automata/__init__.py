"""Digit-serial machines: built, minimised, drawn, their monoids, and tasks given by one."""
