"""The parts of the policy that go by the calendar: windows and freezes."""
