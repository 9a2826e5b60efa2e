"""`make peers`: our server and other model servers with the same model, one after the other on one machine."""
