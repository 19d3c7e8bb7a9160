"""The HTTP client for an API server: transport, sessions, credentials, proxies."""
