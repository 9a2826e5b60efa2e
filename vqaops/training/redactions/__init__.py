"""Training of the ``redactions`` family on redactions that are drawn over the pages of free documents."""
