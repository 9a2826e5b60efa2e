"""Picture encoder + text encoder + fusion + classifier over an answer space, in any combination."""

from vqaserve.families.modular.family import Modular

__all__ = ["Modular"]
