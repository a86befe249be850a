"""Published generators, written down again from their authors' layouts and names, to compare vidgan's with."""
