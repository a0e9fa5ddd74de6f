"""Training: the loop of epochs, the compiled program that it runs, and what observes it."""
