"""The formats of security advisories: CVE records, OSV, CSAF."""
