"""What happens between frames: motion, warping, smoothing, and how steadiness is measured."""
