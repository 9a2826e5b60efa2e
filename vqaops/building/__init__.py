"""Model archives built from recipes; an archive is stored only if it answers its first sample."""
