"""Layers of convolutional networks with the tensor names of torchvision, whose ImageNet weights fit unchanged."""
