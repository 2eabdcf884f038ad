"""Energy-market data, loaded without gaps."""
