"""What a budget can recover, predicted before any evaluation."""
