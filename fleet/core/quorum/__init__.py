"""Groups that vote, such as etcd: who belongs to them, and how their health is read."""
