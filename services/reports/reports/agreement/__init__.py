"""The proof that registry, cards and reports know the same members."""
