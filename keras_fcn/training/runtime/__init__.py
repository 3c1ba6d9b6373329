"""What computes in a run: one interface, and a module for each of Keras' backends."""
