"""Operations on the tree: tried out, done at once, on their day or with a second person, and undone."""
