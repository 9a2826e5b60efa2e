"""`make chaos`: faults in dedicated servers, and what their clients see."""
