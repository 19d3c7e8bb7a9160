"""vagrant/, as far as it can be judged without starting a machine."""
