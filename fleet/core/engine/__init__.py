"""The engine: observes events, decides what begins, and determines what every other run waits for."""
