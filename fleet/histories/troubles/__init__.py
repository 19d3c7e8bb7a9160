"""The kinds of fault, by what they strike; `table` names them all."""
