"""The engine itself: observe events, decide what begins, and say what every other run waits for."""
