"""The commands of `arith-train`, but for those of empirical.cli."""
