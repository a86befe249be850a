"""Measuring vidgan itself: every stage alone, the network alone, whole runs. It prints nothing."""
