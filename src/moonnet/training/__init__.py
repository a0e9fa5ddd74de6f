"""Training: the loop over epochs, the compiled programs that it runs, and the observers that follow it."""
