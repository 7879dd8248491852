"""Models of one's own: networks of any framework, as ONNX files or PyTorch modules."""
