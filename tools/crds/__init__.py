"""Makes the CRDs that fleet installs."""
