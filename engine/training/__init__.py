"""Trains a Plan in two stages: trainer, learner, loss, checkpoints, logs."""
