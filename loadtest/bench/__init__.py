"""`make bench`: what an answer costs the server, beside the bare model's road, interleaved in one run."""
