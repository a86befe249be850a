"""Recipes: one file per recipe, each readable from top to bottom. Needs `vidgan[train]`."""
