"""mmnist: controlled image-classification experiments on Modified MNIST."""

__version__ = "0.1.0"
