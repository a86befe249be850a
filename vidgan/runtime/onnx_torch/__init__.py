"""ONNX graphs run on torch, node by node: `module.py` runs them, the others are what the operators do."""
