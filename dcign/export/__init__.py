"""A run made ready for use elsewhere: ONNX files (`onnx_files`) and a model card (`model_card`)."""
