"""Scores: pure functions, and torchmetrics metrics for what is summed up over batches."""
