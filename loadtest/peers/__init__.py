"""`make peers`: our server beside other model servers, each doing the same work, in turn on one machine."""
