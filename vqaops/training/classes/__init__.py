"""Training of the ``torchvision_classifier`` family on a folder of pictures for each class: a new head alone."""
