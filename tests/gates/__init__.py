"""Gates against real servers: Prometheus and Alertmanager, as Debian packages them."""
