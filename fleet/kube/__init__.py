"""The Kubernetes API as fleet uses it. The rest of fleet sees core's data and core's errors, and no library behind them."""
