"""The standard folders and files of a checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HANDLER = ROOT / "handler"
"""What every archive carries besides its recipe."""
RECIPES = ROOT / "recipes"
MODEL_STORE = ROOT / "model_store"
RUN = ROOT / "run"
"""Everything of the server that ``make serve`` starts."""
CONFIG = ROOT / "config.properties"
