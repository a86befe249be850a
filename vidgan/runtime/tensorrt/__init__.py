"""TensorRT: networks on NVIDIA's cards. Its two flavours, `tensorrt` and `tensorrt_rtx`, share one interface."""
