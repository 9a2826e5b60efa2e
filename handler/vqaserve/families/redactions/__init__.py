"""The ``redactions`` family: a small network that finds what is blacked out on a page."""

from vqaserve.families.redactions.family import Redactions

__all__ = ["Redactions"]
