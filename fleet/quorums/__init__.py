"""Quorum groups other than etcd: members' answers are read into `fleet.core.quorum.quorum.Quorum`."""
