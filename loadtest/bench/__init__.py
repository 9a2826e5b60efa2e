"""`make bench`: the cost of an answer, beside the bare model's in the same run."""
