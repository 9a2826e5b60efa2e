"""Models of a picture encoder, a text encoder, a fusion and a classifier over answers, in any combination."""

from vqaserve.families.modular.family import Modular

__all__ = ["Modular"]
